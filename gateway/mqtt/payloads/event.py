"""The payload of events, and of the gaps between them.

Written by the gateway's outbox, read by the centre. Facts are keys beside those that every record
has; a fact of the same name as one of these gets an underscore behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import ConfigDict, Field

from gateway.model.errors import refuse
from gateway.model.event import Event, Weight
from gateway.mqtt.payloads.codec import (
    PAYLOAD_BYTES,
    WireDocument,
    decode,
    decode_tree,
    encode,
    encode_tree,
)
from gateway.mqtt.payloads.numbers import Count, DurationS, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload, Word
from gateway.mqtt.topic_tree import DOCUMENT, EVENT, INVENTORY_LOG, PLAIN, TopicSpec

GAP = "outbox.gap"
"""Kind of the record that stands for others which are lost."""

FORMER_KINDS = {"message.misrouted": "letter.strange", "outbox.corrupt": "outbox.spoilt"}
"""Kind -> what contract 1.0 calls it; both are sent until contract 1.2."""

FORMER_LINK_STATES = {"echo_missing": "deaf"}
"""Likewise for ``st`` of the kind ``link``."""

_INVENTORY = "inventory"
"""Kind of the records of the inventory's change log, which has a topic of its own."""

DOCUMENT_HEAD, DOCUMENT_PIECE = "document", "document.piece"
"""Kinds of the records that carry a monthly document, on a topic of their own."""

_PRESENT_KINDS = {former: kind for kind, former in FORMER_KINDS.items()}
_PRESENT_LINK_STATES = {former: state for state, former in FORMER_LINK_STATES.items()}

_HEAD = ("id", "n", "ep", "t", "t0", "type", "mono", "late")


class EventRecord(WireDocument):
    """One event.

    Attributes:
        id: ULID; by it a record that comes twice is known.
        number: Grows for ever; gives the order.
        epoch: Of the connection at the time, or of the last one before.
        time_ms: Wall clock; put right afterwards if the clock has been set since.
        first_time_ms: What the clock said at the time, if it was wrong.
        kind: What has happened; all other keys are its facts.
        mono_s: Seconds of the machine's monotonic clock; by it intervals are known.
        late: Whether it was not sent on the connection on which it happened.
        alias_of: Set if this record repeats the one before it under the name of contract 1.0: its
            present kind, or its present ``st``. Whoever knows that name skips this record.
    """

    model_config = ConfigDict(extra="allow")

    id: Word
    number: Annotated[Count, Field(alias="n")]
    epoch: Annotated[Count, Field(alias="ep")]
    time_ms: Annotated[TimeMs, Field(alias="t")]
    first_time_ms: Annotated[TimeMs | None, Field(alias="t0")] = None
    kind: Annotated[Word, Field(alias="type")]
    mono_s: Annotated[DurationS, Field(alias="mono")] = 0.0
    late: bool = False
    alias_of: Word | None = None

    @property
    def facts(self) -> Mapping[str, object]:
        """What belongs to this kind."""
        return self.model_extra or {}


@dataclass(frozen=True, slots=True)
class EventStamp:
    """What every record carries: see `EventRecord`."""

    id: str
    number: int
    epoch: int
    time_ms: int
    mono_s: float


@dataclass(slots=True)
class Gap:
    """Records that are lost: some or all of a range.

    Attributes:
        weight: Which class was lost.
        why: ``size_limit``, ``too_large``, ``malformed`` or ``refused.`` and the broker's code.
        first: Lowest number lost.
        last: Highest number lost.
        count: How many.
        stamp: Of its record.
    """

    weight: Weight
    why: str
    first: int
    last: int
    count: int
    stamp: EventStamp

    def add(self, number: int) -> None:
        """Count one more lost record."""
        self.first, self.last = min(self.first, number), max(self.last, number)
        self.count += 1

    @property
    def payload(self) -> bytes:
        """The gap as it is stored."""
        facts = {
            "from_n": self.first,
            "to_n": self.last,
            "count": self.count,
            "class": self.weight,
            "why": self.why,
        }
        return encode_record(Event(GAP, facts, "audit"), self.stamp)


def former_event(event: Event) -> Event | None:
    """Return *event* as contract 1.0 names it, with ``alias_of``; None: it has no other name."""
    if event.kind in FORMER_KINDS:
        facts = {**event.facts, "alias_of": event.kind}
        return replace(event, kind=FORMER_KINDS[event.kind], facts=facts)
    state = event.facts.get("st")
    if event.kind == "link" and isinstance(state, str) and state in FORMER_LINK_STATES:
        facts = {**event.facts, "st": FORMER_LINK_STATES[state], "alias_of": state}
        return replace(event, facts=facts)
    return None


def topic_spec_of(kind: str) -> TopicSpec:
    """Return the topic of events of *kind*."""
    if kind in (DOCUMENT_HEAD, DOCUMENT_PIECE):
        return DOCUMENT
    return INVENTORY_LOG if kind == _INVENTORY else EVENT


def encode_record(event: Event, stamp: EventStamp) -> bytes:
    """Return *event* as it is stored.

    Raises:
        MessageRejected: The facts are not JSON, nest too deep, or are too large.
    """
    tree: dict[str, object] = {
        "id": stamp.id,
        "n": stamp.number,
        "ep": stamp.epoch,
        "t": stamp.time_ms,
        "type": event.kind,
        "mono": round(stamp.mono_s, 3),
    }
    for name, fact in event.facts.items():
        tree[f"{name}_" if name in _HEAD else name] = fact
    if topic_spec_of(event.kind) is INVENTORY_LOG:
        tree["t"] = tree.pop("t_", stamp.time_ms)  # of the change, not of its telling
    stored = encode_tree(tree)
    if len(stored) > PAYLOAD_BYTES:
        refuse("size", f"{len(stored)} bytes; at most {PAYLOAD_BYTES}")
    decode_tree(stored, PLAIN)
    return stored


def encode_for_sending(record: bytes, *, late: bool, shift_ms: int) -> EncodedPayload:
    """Return *record* as it is sent now.

    Args:
        record: As `encode_record` has made it.
        late: See `EventRecord`.
        shift_ms: By how much the wall clock was wrong at the time.
    """
    tree = decode_tree(record, PLAIN)
    then_ms = tree.get("t")
    if shift_ms and isinstance(then_ms, int):
        tree["t0"], tree["t"] = then_ms, max(0, then_ms + shift_ms)
    if late:
        tree["late"] = True
    return encode(tree)


def decode_event(payload: bytes, content_type: str) -> EventRecord:
    """Read an event; a name of contract 1.0 is replaced by the present one.

    Raises:
        MessageRejected: It cannot be read.
    """
    record = decode(EventRecord, payload, content_type)
    if record.kind in _PRESENT_KINDS:
        return record.model_copy(update={"kind": _PRESENT_KINDS[record.kind]})
    state = record.facts.get("st")
    if record.kind == "link" and isinstance(state, str) and state in _PRESENT_LINK_STATES:
        return record.model_copy(update={"st": _PRESENT_LINK_STATES[state]})
    return record


def decode_gap(record: bytes) -> Gap | None:
    """Return the gap that *stored* tells, or None: it is another event. Raises MessageRejected."""
    event = decode_event(record, PLAIN)
    if event.kind != GAP:
        return None
    facts = decode(_GapFacts, record, PLAIN)
    stamp = EventStamp(event.id, event.number, event.epoch, event.time_ms, event.mono_s)
    return Gap(facts.weight, facts.why, facts.first, facts.last, facts.count, stamp)


class _GapFacts(WireDocument):
    first: Annotated[Count, Field(alias="from_n")]
    last: Annotated[Count, Field(alias="to_n")]
    count: Count
    weight: Annotated[Weight, Field(alias="class")]
    why: Word
