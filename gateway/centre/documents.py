"""Configurations as files at the centre: put into their envelope, signed, verified, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.documents import parse_plain_json
from gateway.config.signing import Keyring, SigningKey, digest, sign
from gateway.model.errors import ConfigRejected, Fault, MessageRejected
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, encode
from gateway.mqtt.payloads.config import Desired, desired_of
from gateway.remote_config.diff import changes
from gateway.remote_config.document import DesiredConfig, parse_config


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around a configuration.

    Attributes:
        gateway: Whose it is.
        version: Greater than all before.
        base: The version it was made from; None: whatever runs.
        issuer: Who answers for it.
        reason: Why.
        rollback_s: How long it runs unconfirmed; 0: it need not be confirmed.
        min_alive_percent: So many of the cameras that worked must work after it.
        issued_ms: Wall clock.
    """

    gateway: str
    version: int
    base: int | None = None
    issuer: str = ""
    reason: str = ""
    rollback_s: int = 300
    min_alive_percent: int = 80
    issued_ms: int | None = None


def load_tree(path: Path) -> dict[str, object]:
    """Return the JSON object in the file *path*.

    Raises:
        ConfigRejected: It cannot be read, or is none.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _wrong("file", f"cannot read {path}: {error.strerror}") from None
    tree = parse_plain_json(raw)
    if not isinstance(tree, dict):
        raise _wrong("type", "it must be an object")
    return tree


def sign_document(
    doc: Mapping[str, object], around: Envelope, key: SigningKey
) -> dict[str, object]:
    """Return *doc* (a site document, or one with ``site`` and ``broker``) signed for a gateway.

    Raises:
        ConfigRejected: With all that every gateway would find wrong with it.
        MessageRejected: Likewise, with the envelope.
    """
    if "sig" in doc:
        raise _wrong("sig.there", "it is signed already; what is signed is the document inside it")
    schema = "config/2" if "site" in doc else "config/1"
    parse_config(schema, doc, at="")
    tree: dict[str, object] = {
        "ver": around.version,
        "base": around.base,
        "gw": around.gateway,
        "schema": schema,
        "issued": around.issued_ms,
        "issuer": around.issuer,
        "reason": around.reason,
        "sha256": digest(doc),
        "rollback_s": around.rollback_s,
        "min_alive_cams_p": around.min_alive_percent,
        "doc": dict(doc),
    }
    tree = {name: value for name, value in tree.items() if value is not None}
    desired_of(tree)
    made = sign(tree, key)
    _, payload = encode(made)
    if len(payload) > PAYLOAD_BYTES:
        raise _wrong("size", f"{len(payload)} bytes when packed; at most {PAYLOAD_BYTES}")
    return made


def verify_document(tree: Mapping[str, object], keys: Keyring) -> tuple[Desired, str]:
    """Return the signed document in *tree* and the id of the key that signed it.

    Raises:
        MessageRejected: No key in *keys* has signed it, or its envelope is wrong.
        ConfigRejected: With all that every gateway would find wrong with it.
    """
    key_id = keys.verify(tree, "cfg")
    desired = parse_signed(tree)
    parse_config(desired.schema_id, desired.doc)
    return desired, key_id


def parse_signed(tree: Mapping[str, object]) -> Desired:
    """Return the signed document in *tree*, whoever has signed it: the gateway knows its keys.

    Raises:
        MessageRejected: It is not signed, or its envelope is wrong.
    """
    if "sig" not in tree:
        message = "sign it first: camera-gateway config sign"
        raise MessageRejected((Fault("/sig", "sig.missing", message),))
    desired = desired_of(dict(tree))
    if desired.sha256 != digest(desired.doc):
        raise MessageRejected((Fault("/sha256", "sha256", "it is not that of doc"),))
    return desired


def compare_documents(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    """Return where *new* differs from *old*, each a document, signed or not.

    Raises:
        ConfigRejected: One of them is not valid.
    """
    return changes(_wanted(old), _wanted(new))


def _wanted(tree: Mapping[str, object]) -> DesiredConfig:
    doc = tree.get("doc") if "sig" in tree else tree
    if not isinstance(doc, Mapping):
        raise _wrong("type", "doc must be an object")
    return parse_config("config/2" if "site" in doc else "config/1", doc, at="")


def _wrong(code: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault("", code, message),))
