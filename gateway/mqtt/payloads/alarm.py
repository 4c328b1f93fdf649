"""An alarm on the wire: codes and values, never sentences.

An alarm whose epoch is lower than that of the gateway's presence counts for nothing: every
connection begins with all alarms that stand.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.model.alarm import Alarm, Severity
from gateway.model.reasons import Reason
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import WireDocument, decode, encode_document
from gateway.mqtt.payloads.numbers import Count, Signed, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload, Word
from gateway.mqtt.topic_tree import DAY_S

CLEARED_S = 7 * DAY_S
"""For how long the broker keeps an alarm that has been cleared."""

Key = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,64}$")]


class AlarmMessage(WireDocument):
    """An alarm as it is now.

    Attributes:
        id: ULID of this occurrence; the same from raise to clear.
        key: The last level of the topic.
        state: ``raised`` or ``cleared``.
        severity: How bad.
        since_ms: Wall clock of when it began.
        cause: One of the closed list of reasons.
        arguments: What the sentence needs.
        flapping: Whether it comes and goes.
        changes: How often since, as of this message.
        parent: Key of the alarm that explains it.
    """

    id: Word
    key: Key
    state: Annotated[Literal["raised", "cleared"], Field(alias="st")]
    severity: Annotated[Severity, Field(alias="sev")]
    since_ms: Annotated[TimeMs, Field(alias="since")]
    time_ms: Annotated[TimeMs, Field(alias="t")]
    epoch: Annotated[Count, Field(alias="ep")]
    number: Annotated[Count, Field(alias="n")]
    cause: Reason
    arguments: Annotated[dict[Word, Word | Signed] | None, Field(alias="args", max_length=16)] = (
        None
    )
    flapping: Annotated[bool, Field(alias="flap")] = False
    changes: Count = 0
    parent: Key | None = None


def encode_alarm(stamp: Stamp, record: Alarm) -> EncodedPayload:
    """Write *record*; the reader is `decode_alarm`."""
    return encode_document(
        AlarmMessage(
            id=record.id,
            key=record.key,
            state="raised" if record.raised else "cleared",
            severity=record.severity,
            since_ms=max(0, record.since_ms),
            time_ms=stamp.time_ms,
            epoch=stamp.epoch,
            number=stamp.number,
            cause=record.cause,
            arguments=dict(record.arguments) or None,
            flapping=record.flapping,
            changes=record.changes,
            parent=record.parent,
        )
    )


def decode_alarm(payload: bytes, content_type: str) -> tuple[Stamp, Alarm]:
    """Read an alarm. Raises MessageRejected."""
    said = decode(AlarmMessage, payload, content_type)
    return Stamp(said.time_ms, said.epoch, said.number), Alarm(
        key=said.key,
        id=said.id,
        raised=said.state == "raised",
        severity=said.severity,
        since_ms=said.since_ms,
        cause=said.cause,
        arguments=said.arguments or {},
        flapping=said.flapping,
        changes=said.changes,
        parent=said.parent,
    )
