"""The configuration on the wire: what the centre wants, whether it stays, and what runs.

Written by the centre and read by gateways, but for `Reported`, where it is the other way round.
What stands in ``doc`` is looked into by `gateway.remote_config.document`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from gateway.model.errors import Fault, MessageRejected
from gateway.model.names import GatewayId
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import (
    WireDocument,
    decode,
    decode_tree,
    encode_document,
    faults_of,
)
from gateway.mqtt.payloads.numbers import COUNT, DURATION_S, Count, Signed, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload, Word
from gateway.runtime.strict_json import dumps

Version = Annotated[int, Field(ge=1, lt=2**53)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]
"""16 random bytes in base64url."""

MAX_ERRORS = 64
MAX_CHANGES = 200
"""So many are told one by one; a document of 512 wrong cameras would not fit otherwise."""

MAX_VALUES = 32_768
"""In a document; 512 cameras with two streams each have 13,000, with their inventory twice that."""

CONFIRM_BYTES = 4096
"""Of a confirmation; one has 120."""

ROLLBACK_S = (10, 3600)

LONGEST_S = 31 * 86_400
"""For how long a document may be good: a gateway that was away for a month gets a new one."""

UNDATED_S = 7 * 86_400
"""For how long one without ``exp_ms`` is, from ``issued`` on; so until contract 1.2."""

State = Literal[
    "received",
    "applying",
    "pending_confirm",
    "applied",
    "rejected",
    "rolled_back",
    "superseded",
]
"""All but ``received``, ``applying`` and ``pending_confirm`` are final."""

Why = Literal["deadline", "cancel", "health_gate", "crash_loop", "connect_failed", "disk"]
"""Why a document was rolled back."""


class Desired(WireDocument):
    """The whole configuration of one gateway, signed.

    Attributes:
        version: Grows with each document; one that is not newer than what was tried is refused.
        base: The version this was made from; refused if another one runs. None: whatever runs.
        gateway: Whose it is.
        schema_id: What `doc` is; see `gateway.remote_config.document.SCHEMAS`.
        issued_ms: When it was issued, by the clock of the issuer.
        not_before_ms: From then on it may be rolled out, ms since 1970. None: since `issued_ms`.
        expires_ms: Until then; what has been rolled out stays. None: `UNDATED_S` after it began.
        issuer: Who answers for it.
        reason: Why, for the audit.
        sha256: Of `doc` as canonical JSON.
        rollback_s: How long it runs before it must be confirmed; 0: it need not be.
        min_alive_percent: Of the cameras that worked before, so many must work after it.
        doc: The configuration itself.
        signature: ``sig``, over everything else; see `gateway.config.signing`.
    """

    version: Annotated[Version, Field(alias="ver")]
    base: Annotated[int | None, Field(ge=0, lt=2**53)] = None
    gateway: Annotated[GatewayId, Field(alias="gw")]
    schema_id: Annotated[str, Field(alias="schema", max_length=32)]
    issued_ms: Annotated[TimeMs | None, Field(alias="issued")] = None
    not_before_ms: Annotated[Count | None, Field(alias="nbf_ms")] = None
    expires_ms: Annotated[Count | None, Field(alias="exp_ms")] = None
    issuer: Word = ""
    reason: Word = ""
    sha256: Digest
    rollback_s: Annotated[int, Field(ge=0, le=ROLLBACK_S[1])] = 300
    min_alive_percent: Annotated[int, Field(alias="min_alive_cams_p", ge=0, le=100)] = 80
    doc: dict[str, JsonValue]
    signature: Annotated[JsonValue, Field(alias="sig")] = None


class Confirm(WireDocument):
    """What becomes of a document that waits to be confirmed, signed like the document.

    Attributes:
        gateway: Whose document.
        nonce: Of the report ``pending_confirm`` that this answers; each is answered once.
        act: ``extend`` gives it `rollback_s` more from now.
        signature: As of `Desired`.
    """

    gateway: Annotated[GatewayId, Field(alias="gw")]
    nonce: Nonce
    version: Annotated[Version, Field(alias="ver")]
    sha256: Digest
    act: Literal["confirm", "cancel", "extend"]
    rollback_s: Annotated[int, Field(ge=ROLLBACK_S[0], le=ROLLBACK_S[1])] = 300
    signature: Annotated[JsonValue, Field(alias="sig")] = None


class ReportedFault(WireDocument):
    """One thing wrong with a document."""

    at: Annotated[str, Field(max_length=400)]
    code: Word
    message: Annotated[str, Field(alias="msg", max_length=400)] = ""
    args: dict[str, str | Signed] | None = None


class Reported(WireDocument):
    """What became of the newest document, and what runs.

    Attributes:
        version: The document's; None: it could not be read so far.
        sha256: Likewise.
        state: See `State`.
        why: Of ``rolled_back``.
        detail: Its particulars for people; never a secret.
        until_s: Seconds left for the confirmation.
        nonce: Random, to be repeated in the confirmation.
        applied: What it changed, as pointers in which cameras and streams go by their names.
        more: How many of those are not listed.
        restart: Cameras whose sessions it ended.
        errors: All that is wrong with it.
        key_id: Who signed it.
        running: Version of what runs now; 0: the installer's.
        last_known_good: Version that is gone back to; 0: the installer's.
        attempt: 1, and one more for each start of the program while it was unconfirmed.
    """

    version: Annotated[Count | None, Field(alias="ver")] = None
    sha256: Word | None = None
    state: Annotated[State, Field(alias="st")]
    why: Why | None = None
    detail: Annotated[str, Field(max_length=400)] | None = None
    until_s: Annotated[int | None, Field(ge=0, le=DURATION_S[1])] = None
    nonce: Nonce | None = None
    applied: Annotated[tuple[str, ...], Field(max_length=MAX_CHANGES)] = ()
    more: Count | None = None
    restart: Annotated[tuple[str, ...], Field(max_length=512)] = ()
    errors: Annotated[tuple[ReportedFault, ...], Field(max_length=MAX_ERRORS)] = ()
    key_id: Annotated[Word | None, Field(alias="kid")] = None
    running: Count = 0
    last_known_good: Annotated[Count, Field(alias="lkg")] = 0
    attempt: Count | None = None
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None
    epoch: Annotated[Count | None, Field(alias="ep")] = None
    number: Annotated[Count | None, Field(alias="n")] = None


def parse_desired(tree: dict[str, object]) -> Desired:
    """Return *tree*, read before, as a configuration. Raises MessageRejected."""
    try:
        desired = Desired.model_validate_json(dumps(tree))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None
    if 0 < desired.rollback_s < ROLLBACK_S[0]:
        message = f"0, or from {ROLLBACK_S[0]} to {ROLLBACK_S[1]}"
        raise MessageRejected((Fault("/rollback_s", "range", message),))
    return desired


def decode_confirm_tree(payload: bytes, content_type: str) -> dict[str, object]:
    """Return a confirmation as it came, for its signature. Raises MessageRejected."""
    return decode_tree(payload, content_type, unpacked_bytes=CONFIRM_BYTES)


def parse_confirm(tree: dict[str, object]) -> Confirm:
    """Return the confirmation in *tree*. Raises MessageRejected."""
    try:
        return Confirm.model_validate_json(dumps(tree))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None


def encode_reported(stamp: Stamp, said: Reported) -> EncodedPayload:
    """Return content type and payload of *said*."""
    stamped = {"time_ms": stamp.time_ms, "epoch": stamp.epoch, "number": stamp.number}
    return encode_document(said.model_copy(update=stamped))


def decode_reported(payload: bytes, content_type: str) -> Reported:
    """Read what a gateway reports. Raises MessageRejected."""
    return decode(Reported, payload, content_type)


def reported_faults(faults: tuple[Fault, ...]) -> tuple[ReportedFault, ...]:
    """Return *faults* as they are reported."""
    return tuple(
        ReportedFault(
            at=fault.at[:400],
            code=fault.code,
            message=fault.message[:400],
            args={key: value for key, value in fault.args.items() if _is_bounded(value)} or None,
        )
        for fault in faults[:MAX_ERRORS]
    )


def _is_bounded(value: str | int | float) -> bool:
    return isinstance(value, str) or abs(value) <= COUNT[1]
