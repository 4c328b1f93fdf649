"""Commands on the wire: the centre's requests to one gateway or to all, and their replies.

A command is one message on ``dn/cmd/{name}``. Its replies go to the response topic that it names,
which must lie below our own ``up/rsp/``: accepted, running, and a final one. ``ttl_s`` and the MQTT
message expiry together tell how old a command is, without anybody's wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from gateway.model.errors import Fault, MessageRejected, refuse
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import (
    DocumentT,
    WireDocument,
    decode,
    decode_tree,
    encode,
    encode_document,
    faults_of,
)
from gateway.mqtt.payloads.numbers import Count, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload, Word
from gateway.mqtt.topic_tree import LEVELS
from gateway.runtime.strict_json import dumps

COMMAND_BYTES = 16_384
"""Largest command, packed and unpacked; a signed address for an upload has 2 KiB."""

State = Literal["accepted", "running", "succeeded", "failed", "rejected", "timed_out", "cancelled"]

FINAL: frozenset[State] = frozenset({"succeeded", "failed", "rejected", "timed_out", "cancelled"})
"""A reply with one of these states is the last one."""

Rejected = Literal["rate_limited", "expired", "bad_sig", "unknown", "busy", "forbidden", "bad_args"]
"""Why a command was not carried out."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z_.]{1,40}$")]
LongName = Annotated[str, Field(pattern=rf"^{LEVELS['name']}$")]
CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Actor = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Section = Literal[
    "presence",
    "birth",
    "health",
    "state",
    "alarms",
    "site",
    "nvr",
    "cams",
    "net",
    "ioc",
    "contacts",
]
Sections = Annotated[tuple[Section, ...], Field(min_length=1, max_length=16)]

T = TypeVar("T", bound=WireDocument)


class CommandRequest(WireDocument):
    """One command.

    Attributes:
        id: Chosen by the sender, never used twice; a ULID if the command is signed.
        name: As in the topic; required if the command is signed.
        args: The arguments of this command.
        actor: Who is responsible, e.g. ``op-17``.
        reason: Why, for the audit.
        ttl_s: Lifetime in seconds, over 0, at most a day; at least the MQTT message expiry.
        not_before_ms: From then on, ms since 1970. None: since the time of its ULID.
        expires_ms: Until then. None: `ttl_s` after it began.
        dry_run: If true nothing is done; the reply says what would be.
        gateway: Id of the gateway it is for; required if the command is signed.
        signature: See `gateway.config.signing`.
    """

    id: CommandId
    name: LongName | None = None
    args: Annotated[dict[str, JsonValue], Field(max_length=32)] = Field(default_factory=dict)
    actor: Actor
    reason: Word = ""
    ttl_s: Seconds
    not_before_ms: Annotated[Count | None, Field(alias="nbf_ms")] = None
    expires_ms: Annotated[Count | None, Field(alias="exp_ms")] = None
    dry_run: bool = False
    gateway: Annotated[str | None, Field(alias="gw", max_length=64)] = None
    signature: Annotated[JsonValue, Field(alias="sig")] = None


class Args(WireDocument):
    """Base of the arguments of a command. An unknown key is an error: it may change the meaning."""

    model_config = ConfigDict(extra="forbid")


class ReplyFault(WireDocument):
    """One thing wrong with a command; see `gateway.model.errors.Fault`."""

    at: Annotated[str, Field(max_length=400)]
    code: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(alias="msg", max_length=400)] = ""


class Reply(WireDocument):
    """A reply to a command.

    Attributes:
        id: Of the command; None if that could not be parsed.
        state: Where the command is in its life.
        percent: How much is done, 0 to 100.
        result: The result, or the part that is there so far.
        code: Why it was rejected (`Rejected`), or why it failed.
        errors: What is wrong with the command, and where.
    """

    id: CommandId | None = None
    state: Annotated[State, Field(alias="st")]
    percent: Annotated[int | None, Field(alias="p", ge=0, le=100)] = None
    result: Annotated[dict[str, JsonValue] | None, Field(alias="res")] = None
    code: Code | None = None
    errors: Annotated[tuple[ReplyFault, ...] | None, Field(max_length=16)] = None
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None
    epoch: Annotated[Count | None, Field(alias="ep")] = None
    number: Annotated[Count | None, Field(alias="n")] = None


class Broadcast(WireDocument):
    """A request of the centre to all gateways at once.

    Attributes:
        id: A repeated id is the same request, and is carried out once.
        op: Only ``rebirth``: publish retained messages again.
        sections: Which messages.
        spread_s: The gateways spread their messages over this many seconds, 0 to 3600.
    """

    id: CommandId
    op: Literal["rebirth"]
    sections: Sections = ("presence", "birth")
    spread_s: Annotated[float, Field(ge=0, le=3600)] = 300.0


class CentreState(WireDocument):
    """Birth and will of the centre."""

    online: bool
    epoch: Annotated[Count, Field(alias="ep")]
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None


class LogLines(WireDocument):
    """Some lines of a log that is being followed.

    Attributes:
        lines: In order, redacted, each a JSON object as text.
        lost: How many did not fit, since the last message.
    """

    time_ms: Annotated[TimeMs, Field(alias="t")]
    epoch: Annotated[Count, Field(alias="ep")]
    number: Annotated[Count, Field(alias="n")]
    lines: tuple[str, ...] = ()
    lost: Count = 0


def decode_command_tree(payload: bytes, content_type: str) -> dict[str, object]:
    """Return the JSON tree of a command, as its signature covers it. Raises MessageRejected."""
    if len(payload) > COMMAND_BYTES:
        refuse("size", f"{len(payload)} bytes; a command has at most {COMMAND_BYTES}")
    return decode_tree(payload, content_type, unpacked_bytes=COMMAND_BYTES)


def parse_request(tree: Mapping[str, object]) -> CommandRequest:
    """Return the command in *tree*. Raises MessageRejected."""
    return _validated(CommandRequest, tree, "")


def parse_args(document: type[T], command: CommandRequest) -> T:
    """Return the args of *command* as *document*. Raises MessageRejected, all below ``/args``."""
    return _validated(document, command.args, "/args")


def request_id(tree: Mapping[str, object]) -> str | None:
    """Return the id in *tree* if it is valid, even if the rest is not."""
    try:
        return _IdOnly.model_validate(tree).id
    except ValidationError:
        return None


def encode_reply(stamp: Stamp, reply: Reply) -> EncodedPayload:
    """Return content type and payload of *reply*."""
    update = {"time_ms": stamp.time_ms, "epoch": stamp.epoch, "number": stamp.number}
    return encode_document(reply.model_copy(update=update))


def reply_bytes(reply: Reply) -> bytes:
    """Return *reply* as the journal stores it, to be sent again."""
    return reply.model_dump_json(by_alias=True, exclude_none=True).encode()


def encode_log_lines(stamp: Stamp, lines: tuple[str, ...], lost: int) -> EncodedPayload:
    """Return content type and payload of *lines*."""
    head = {"t": stamp.time_ms, "ep": stamp.epoch, "n": stamp.number}
    return encode({**head, "lines": lines, **({"lost": lost} if lost else {})})


def decode_reply(payload: bytes, content_type: str) -> Reply:
    """Return the reply in *payload*. Raises MessageRejected."""
    return decode(Reply, payload, content_type)


def decode_small(document: type[DocumentT], payload: bytes, content_type: str) -> DocumentT:
    """Return *payload*, a small message of the centre, as *document*. Raises MessageRejected."""
    return _validated(document, decode_command_tree(payload, content_type), "")


def reply_faults(faults: tuple[Fault, ...]) -> tuple[ReplyFault, ...]:
    """Return *faults* in the form of a reply, 16 at most."""
    return tuple(
        ReplyFault(at=each.at[:400], code=each.code[:64], message=each.message[:400])
        for each in faults[:16]
    )


class _IdOnly(WireDocument):
    id: CommandId


def _validated(document: type[T], tree: Mapping[str, object], at: str) -> T:
    try:
        return document.model_validate_json(dumps(tree))
    except ValidationError as error:
        faults = (Fault(f"{at}{each.at}", each.code, each.message) for each in faults_of(error))
        raise MessageRejected(tuple(faults)) from None
