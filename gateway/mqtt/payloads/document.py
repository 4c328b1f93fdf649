"""Monthly documents on the wire: head and pieces up, through the outbox; acknowledgements down.

The head is signed by the box's own key, the acknowledgement by a ``doc-`` key of the centre. Pieces
need no signature: the head has the SHA-256 of the whole.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from gateway.model.document_template import DOCUMENT_BYTES, DocumentKindId
from gateway.model.errors import MessageRejected, refuse
from gateway.model.names import GatewayId, ProvinceCode
from gateway.mqtt.payloads.codec import WireDocument, decode_tree, faults_of
from gateway.mqtt.payloads.numbers import Count, DurationS, TimeMs
from gateway.mqtt.payloads.presence import Word
from gateway.runtime.strict_json import dumps

PIECE_BYTES = 32_768
"""Of the file in one message; in base64 it has 43,692 characters."""

MOST_PIECES = DOCUMENT_BYTES // PIECE_BYTES

MOST_ERRORS = 20

DocumentId = Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(?:0[1-9]|1[0-2])$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PieceNumber = Annotated[int, Field(ge=0, lt=MOST_PIECES)]
AckState = Literal["kept", "missing", "refused"]


class _Recorded(WireDocument):
    """What every record of the outbox has: see `gateway.mqtt.payloads.event.EventRecord`."""

    id: Word
    number: Annotated[Count, Field(alias="n")]
    epoch: Annotated[Count, Field(alias="ep")]
    time_ms: Annotated[TimeMs, Field(alias="t")]
    first_time_ms: Annotated[TimeMs | None, Field(alias="t0")] = None
    mono_s: Annotated[DurationS, Field(alias="mono")] = 0.0
    late: bool = False


class KeySignature(WireDocument):
    """``sig`` of a head: ECDSA over P-256 with SHA-256 (RFC 7518 section 3.4).

    Attributes:
        algorithm: There is one.
        key_digest: SHA-256 of the public key (DER), by which the centre finds the certificate.
        value: 64 bytes, base64url without padding.
    """

    algorithm: Annotated[Literal["ES256"], Field(alias="alg")] = "ES256"
    key_digest: Annotated[Sha256, Field(alias="kid")]
    value: Annotated[str, Field(alias="v", pattern=r"^[A-Za-z0-9_-]{86}$")]


class DocumentFacts(WireDocument):
    """What a box says of a document, and signs.

    Attributes:
        document: Made by the box for this content; the same in each repetition.
        gateway: Whose.
        province: Likewise.
        kind: As its template is called.
        month: That it tells of, as ``2026-05``.
        name: Of its file.
        bytes: Of its file.
        sha256: Of its file.
        pieces: How many there are.
        piece_bytes: Of each but the last.
        made_ms: When it was found.
    """

    document: Annotated[DocumentId, Field(alias="doc")]
    gateway: Annotated[GatewayId, Field(alias="gw")]
    province: Annotated[ProvinceCode, Field(alias="prov")]
    kind: DocumentKindId
    month: Month
    name: Annotated[str, Field(min_length=1, max_length=150)]
    bytes: Annotated[int, Field(ge=1, le=DOCUMENT_BYTES)]
    sha256: Sha256
    pieces: Annotated[int, Field(ge=1, le=MOST_PIECES)]
    piece_bytes: Annotated[int, Field(alias="piece", ge=1, le=PIECE_BYTES)]
    made_ms: Annotated[TimeMs, Field(alias="made")]

    def signed_tree(self) -> dict[str, object]:
        """Return what is signed."""
        return {
            name: value
            for name, value in self.model_dump(mode="json", by_alias=True).items()
            if name in _SIGNED
        }


_SIGNED = frozenset(field.alias or name for name, field in DocumentFacts.model_fields.items())


class DocumentHead(DocumentFacts, _Recorded):
    """The first record of a document; again, with a higher `ask`, when no answer has come.

    Attributes:
        ask: 0: pieces follow; more: which pieces are missing?
        signature: Of the box.
    """

    type: Literal["document"]
    ask: Count = 0
    signature: Annotated[KeySignature, Field(alias="sig")]


class DocumentPiece(_Recorded):
    """One piece.

    Attributes:
        document: Of which.
        index: Its place, from 0.
        data: Base64.
    """

    type: Literal["document.piece"]
    document: Annotated[DocumentId, Field(alias="doc")]
    index: Annotated[PieceNumber, Field(alias="i")]
    data: Annotated[str, Field(min_length=1, max_length=(PIECE_BYTES + 2) // 3 * 4)]

    def content(self) -> bytes:
        """Return its bytes. Raises MessageRejected."""
        try:
            return base64.b64decode(self.data, validate=True)
        except (binascii.Error, ValueError):
            refuse("base64", "this is no base64", "/data")


DOCUMENT_MESSAGES: TypeAdapter[DocumentHead | DocumentPiece] = TypeAdapter(
    Annotated[DocumentHead | DocumentPiece, Field(discriminator="type")]
)


class ToldFault(WireDocument):
    """What is wrong with a document; see `gateway.documents.faults.DocumentFault`."""

    at: Annotated[str, Field(max_length=400)] = ""
    code: Annotated[str, Field(max_length=40)]
    args: Annotated[dict[str, Annotated[str, Field(max_length=400)]], Field(max_length=8)] = Field(
        default_factory=dict
    )


class DocumentAck(WireDocument):
    """What the centre has of a document.

    Attributes:
        document: Which.
        gateway: Whose.
        sha256: Of its file.
        state: ``kept``: all of it, and it is as its template says; ``missing``: send `missing`;
            ``refused``: it is not taken, `errors` say why.
        ask: Of the head that is answered.
        missing: Numbers of pieces.
        errors: What is wrong.
        issued_ms: When.
    """

    document: Annotated[DocumentId, Field(alias="doc")]
    gateway: Annotated[GatewayId, Field(alias="gw")]
    sha256: Sha256
    state: Annotated[AckState, Field(alias="st")]
    ask: Count = 0
    missing: Annotated[tuple[PieceNumber, ...], Field(max_length=MOST_PIECES)] = ()
    errors: Annotated[tuple[ToldFault, ...], Field(max_length=MOST_ERRORS)] = ()
    issued_ms: Annotated[TimeMs, Field(alias="issued")]
    signature: Annotated[dict[str, Any] | None, Field(alias="sig")] = None


def head_facts(facts: DocumentFacts, signature: KeySignature, *, ask: int) -> dict[str, object]:
    """Return the facts of the record that begins a document."""
    return {
        **facts.signed_tree(),
        "ask": ask,
        "sig": signature.model_dump(mode="json", by_alias=True),
    }


def piece_facts(document: str, index: int, content: bytes) -> dict[str, object]:
    """Return the facts of the record that carries the piece *index*."""
    return {"doc": document, "i": index, "data": base64.b64encode(content).decode()}


def decode_document(payload: bytes, content_type: str) -> DocumentHead | DocumentPiece:
    """Read a head or a piece. Raises MessageRejected."""
    try:
        return DOCUMENT_MESSAGES.validate_json(dumps(decode_tree(payload, content_type)))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None


def ack_tree(ack: DocumentAck) -> dict[str, object]:
    """Return *ack* as it is signed."""
    return ack.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_ack(tree: Mapping[str, object]) -> DocumentAck:
    """Read an acknowledgement whose signature has been verified. Raises MessageRejected."""
    try:
        return DocumentAck.model_validate_json(dumps(tree))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None
