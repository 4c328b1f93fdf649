"""The list of people who may no longer watch, as the centre signs and retains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from gateway.model.errors import MessageRejected
from gateway.model.viewing import MOST_REVOKED, Actor, RevocationList
from gateway.mqtt.payloads.codec import WireDocument, decode_tree, faults_of
from gateway.runtime.strict_json import dumps

LIST_BYTES = 262_144
"""Most that a list may unpack to."""


class StoredRevoked(WireDocument):
    """The list, as a gateway stores it once its signature has been verified.

    Attributes:
        issued_ms: When it was issued; a list that is not newer than the last one is refused.
        actors: Everybody whose right is revoked; whoever is missing may watch again.
    """

    issued_ms: Annotated[int, Field(alias="issued", ge=1, lt=2**53)]
    actors: Annotated[tuple[Actor, ...], Field(max_length=MOST_REVOKED)]


class Revoked(StoredRevoked):
    """The list, beside its signature."""

    signature: Annotated[dict[str, Any], Field(alias="sig")]


def decode_revocation_tree(payload: bytes, content_type: str) -> dict[str, object]:
    """Return a list as it came, for its signature. Raises MessageRejected."""
    return decode_tree(payload, content_type, unpacked_bytes=LIST_BYTES, values=2 * MOST_REVOKED)


def parse_revocation(tree: Mapping[str, object]) -> RevocationList:
    """Return the list in *tree*, as it is published. Raises MessageRejected."""
    return _list_in(tree, Revoked)


def parse_stored_revocation(tree: Mapping[str, object]) -> RevocationList:
    """Return the list in *tree*, as it is stored. Raises MessageRejected."""
    return _list_in(tree, StoredRevoked)


def revocation_tree(revoked: RevocationList) -> dict[str, object]:
    """Return *revoked* as it is signed, and stored."""
    return {"issued": revoked.issued_ms, "actors": list(revoked.actors)}


def _list_in(tree: Mapping[str, object], shape: type[StoredRevoked]) -> RevocationList:
    try:
        found = shape.model_validate_json(dumps(tree))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None
    return RevocationList(found.issued_ms, found.actors)
