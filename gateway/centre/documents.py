"""Configuration documents as files at the centre: signed, verified, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config.documents import parse_plain_json
from gateway.config.signing import Keyring, SigningKey, digest, sign
from gateway.model.errors import ConfigRejected, Fault, MessageRejected, faults_in, file_fault
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, encode
from gateway.mqtt.payloads.config import UNDATED_S, Confirm, Desired, parse_desired
from gateway.remote_config.diff import changes
from gateway.remote_config.document import DesiredConfig, parse_config


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields of a signed document beside its configuration.

    Attributes:
        gateway: Id of the gateway it is for.
        version: Greater than that of every document before it.
        base: The version it was made from; refused if another runs. None: any.
        issuer: Who is responsible for it.
        reason: Why it is issued, for the audit.
        rollback_s: Seconds until an unconfirmed one is rolled back; 0: it needs no confirmation.
        min_alive_percent: Of the cameras that worked before, so many must work after it.
        issued_ms: When, as Unix time in milliseconds; from then on it is good.
        valid_s: For so long a gateway may begin to roll it out; what it has stays.
    """

    gateway: str
    version: int
    issued_ms: int
    base: int | None = None
    issuer: str = ""
    reason: str = ""
    rollback_s: int = 300
    min_alive_percent: int = 80
    valid_s: int = UNDATED_S


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a document that waits to be confirmed.

    Attributes:
        act: Confirm it, cancel it, or give it more time.
        nonce: As the gateway has reported.
        key: That signs it.
        rollback_s: The time that ``extend`` gives.
    """

    act: Literal["confirm", "cancel", "extend"]
    nonce: str
    key: SigningKey
    rollback_s: int = 300


def sign_decision(document: Mapping[str, object], decision: Decision) -> dict[str, object]:
    """Return *decision* on *document*, which is signed, for its gateway."""
    confirm = Confirm.model_validate(
        {
            "gw": document["gw"],
            "ver": document["ver"],
            "sha256": document["sha256"],
            "act": decision.act,
            "nonce": decision.nonce,
            "rollback_s": decision.rollback_s,
        }
    )
    return sign(confirm.model_dump(by_alias=True, exclude_none=True), decision.key)


def load_tree(path: Path) -> dict[str, object]:
    """Return the JSON object in the file *path*.

    Raises:
        ConfigRejected: The file cannot be read, or holds no JSON object.
    """
    with faults_in(path):
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ConfigRejected((file_fault(path, error),)) from None
        tree = parse_plain_json(raw)
        if not isinstance(tree, dict):
            raise _fault("type", "it must be an object")
        return tree


def sign_document(
    doc: Mapping[str, object], envelope: Envelope, key: SigningKey
) -> dict[str, object]:
    """Return *doc* (a site document, or one with ``site`` and ``broker``) signed for a gateway.

    Raises:
        ConfigRejected: The document is wrong for any gateway; every fault is listed.
        MessageRejected: So is the envelope.
    """
    if "sig" in doc:
        raise _fault("sig.there", "it is signed already; what is signed is the document inside it")
    schema = "config/2" if "site" in doc else "config/1"
    parse_config(schema, doc, at="")
    tree: dict[str, object] = {
        "ver": envelope.version,
        "base": envelope.base,
        "gw": envelope.gateway,
        "schema": schema,
        "issued": envelope.issued_ms,
        "nbf_ms": envelope.issued_ms,
        "exp_ms": envelope.issued_ms + 1000 * envelope.valid_s,
        "issuer": envelope.issuer,
        "reason": envelope.reason,
        "sha256": digest(doc),
        "rollback_s": envelope.rollback_s,
        "min_alive_cams_p": envelope.min_alive_percent,
        "doc": dict(doc),
    }
    tree = {name: value for name, value in tree.items() if value is not None}
    parse_desired(tree)
    document = sign(tree, key)
    _, payload = encode(document)
    if len(payload) > PAYLOAD_BYTES:
        raise _fault("size", f"{len(payload)} bytes when packed; at most {PAYLOAD_BYTES}")
    return document


def verify_document(tree: Mapping[str, object], keys: Keyring) -> tuple[Desired, str]:
    """Return the signed document in *tree* and the id of the key that signed it.

    Raises:
        MessageRejected: No key in *keys* has signed it, or its envelope is wrong.
        ConfigRejected: The document is wrong for any gateway; every fault is listed.
    """
    key_id = keys.verify(tree, "cfg")
    desired = parse_signed(tree)
    parse_config(desired.schema_id, desired.doc)
    return desired, key_id


def parse_signed(tree: Mapping[str, object]) -> Desired:
    """Return the signed document in *tree*; the signature is the gateway's to verify.

    Raises:
        MessageRejected: It is not signed, or its envelope is wrong.
    """
    if "sig" not in tree:
        message = "sign it first (config sign)"
        raise MessageRejected((Fault("/sig", "sig.missing", message),))
    desired = parse_desired(dict(tree))
    if desired.sha256 != digest(desired.doc):
        raise MessageRejected((Fault("/sha256", "sha256", "it is not that of doc"),))
    return desired


def compare_documents(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    """Return pointers to where *new* differs from *old*, each a document, signed or not.

    Raises:
        ConfigRejected: One of them is not valid.
    """
    return changes(_config_in(old), _config_in(new))


def _config_in(tree: Mapping[str, object]) -> DesiredConfig:
    doc = tree.get("doc") if "sig" in tree else tree
    if not isinstance(doc, Mapping):
        raise _fault("type", "doc must be an object")
    return parse_config("config/2" if "site" in doc else "config/1", doc, at="")


def _fault(code: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault("", code, message),))
