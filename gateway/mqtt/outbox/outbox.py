"""The outbox: what has happened, on the disk until the broker has it, in order.

`gateway.ports.Events` for those who tell, `OutboxSource` for the client. A record is
sent once it is on the disk, or once the disk has refused it; it is forgotten when the broker
acknowledges it. After a crash some come again: by their id they are known. What the broker will
never take, or what there is no room for, becomes part of a gap, which is told like any record.

All methods belong to the event loop, and none waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog
from ulid import ULID

from gateway.model.errors import MessageRejected
from gateway.model.event import Event, Weight
from gateway.mqtt.client.inflight_window import QUOTA, TOO_LARGE, Refusal
from gateway.mqtt.epoch import Epochs, now_ms
from gateway.mqtt.outbox.backlog import Backlog, Row
from gateway.mqtt.outbox.store import Stored
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads import event as event_payload
from gateway.mqtt.payloads.event import EventStamp, Gap
from gateway.mqtt.payloads.presence import BirthOutbox
from gateway.mqtt.topic_tree import INVENTORY_LOG
from gateway.mqtt.topics import Topics, publication
from gateway.ports import Clock, OutboundMessage

REFUSED_PAUSE_S, REFUSED_PAUSE_MOST_S = 5.0, 60.0
"""Between two tries when the broker refuses for now: doubling."""

TRIES = 5
"""So often a record is tried that the broker refuses for no reason of the moment."""

CLOCK_SET_MS = 2000
"""A wall clock that is further off than this has been set; what drifts is left alone."""

log = structlog.get_logger(__name__)


class Outbox:
    """Keeps what has happened until the broker has it.

    Args:
        writer: Brings it to the disk.
        topics: Of this gateway.
        epochs: Numbers the connections.
        boot: Of the machine: monotonic times of another boot mean nothing.
        ready: Called when there is something to send.
        clock: Monotonic.
        backlog: Smaller in tests.
        wall_ms: The wall clock.
    """

    def __init__(
        self,
        writer: OutboxWriter,
        *,
        topics: Topics,
        epochs: Epochs,
        boot: str,
        clock: Clock,
        ready: Callable[[], None] = lambda: None,
        backlog: Backlog | None = None,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._writer = writer
        self._topics = topics
        self._epochs = epochs
        self._boot = boot
        self._ready = ready
        self._clock = clock
        self._wall_ms = wall_ms
        self._backlog = Backlog() if backlog is None else backlog
        self._connections, self._connected = 0, False
        self._quiet_until_s, self._pause_s = clock.now(), REFUSED_PAUSE_S
        self._number = self._lost = 0
        self._load()

    @property
    def pending(self) -> int:
        """How many the broker does not have."""
        return len(self._backlog)

    @property
    def last(self) -> int:
        """The highest number given so far, by this process or those before it."""
        return self._number

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest of them; None: there is none."""
        oldest = next(iter(self._backlog), None)
        return None if oldest is None else max(0.0, self._age_ms(oldest.stored) / 1000)

    def standing(self) -> BirthOutbox:
        """Return what waits, for the birth."""
        oldest_s = round(self.oldest_s or 0.0, 1)
        return BirthOutbox(pending=self.pending, oldest_s=oldest_s, lost=self._lost)

    def record(self, event: Event) -> None:
        """Take *event*: see `gateway.ports.Events`."""
        mark = self._mark()
        try:
            kept = event_payload.write(event, mark)
        except MessageRejected as error:
            fault = error.faults[0]
            log.error("event not recorded", kind=event.kind, fault=fault.code, at=fault.at)
            why = "too_large" if fault.code == "size" else "malformed"
            self._lose(mark.number, event.weight, why)
            return
        self._take(mark, event.kind, event.weight, kept)
        while (row := self._backlog.excess()) is not None:
            self._forget(row)
            self._lose(row.number, row.stored.weight, "size_limit")

    async def stored(self) -> None:
        """Return once what has been recorded so far is on the disk, or the disk refuses it."""
        await self._writer.stored(self._number)

    async def run(self) -> None:
        """Bring to the disk what is recorded, until cancelled; the last of it before returning."""
        await self._writer.run(turned=self._ready, anew=self._write_anew)

    def began(self) -> None:
        """See `gateway.mqtt.client.inflight_window.OutboxSource`."""
        self._connections += 1
        self._connected = True
        self._quiet_until_s, self._pause_s = self._clock.now(), REFUSED_PAUSE_S

    def broken(self) -> None:
        """See `gateway.mqtt.client.inflight_window.OutboxSource`."""
        self._connected = False
        self._backlog.back()

    def next(self) -> OutboundMessage | None:
        """See `gateway.mqtt.client.inflight_window.OutboxSource`."""
        if self._clock.now() < self._quiet_until_s:
            return None
        row = self._backlog.next(unsaved=self._writer.refusing)
        if row is None:
            return None
        row.sent = True
        stored = row.stored
        shift_ms = 0
        if stored.boot == self._boot:
            shift_ms = self._wall_ms() - self._age_ms(stored) - stored.time_ms
        sealed = event_payload.send(
            stored.payload,
            late=row.connection != self._connections,
            shift_ms=shift_ms if abs(shift_ms) > CLOCK_SET_MS else 0,
        )
        channel = event_payload.channel_of(stored.kind)
        topics = self._topics
        topic = topics.inventory_log if channel is INVENTORY_LOG else topics.event
        return replace(publication(channel, topic, sealed), record=stored.number)

    def settled(self, record: int, refusal: Refusal | None) -> None:
        """See `gateway.mqtt.client.inflight_window.OutboxSource`."""
        row = self._backlog.get(record)
        if row is None:
            return
        if refusal is None:
            self._pause_s = REFUSED_PAUSE_S
            self._forget(row)
        elif refusal.lasting or (refusal.code != QUOTA and row.tries + 1 >= TRIES):
            self._bury(row, refusal)
        else:
            row.sent = False
            row.tries += 1
            self._quiet_until_s = self._clock.now() + self._pause_s
            self._pause_s = min(self._pause_s * 2, REFUSED_PAUSE_MOST_S)

    def _load(self) -> None:
        found = self._writer.load()
        # A disk that says nothing may hold any number; the time is above them all.
        unknown = found.last is None or found.corrupt
        self._number = self._wall_ms() if unknown else found.last or 0
        self._lost = found.lost
        for stored in found.records:
            try:
                gap = event_payload.read_gap(stored.payload)
            except MessageRejected:
                self._writer.forget(stored.number)
            else:
                self._backlog.add(Row(stored, gap=gap, saved=True))
        if found.corrupt:
            self.record(Event("outbox.spoilt", {}, "audit"))

    def _write_anew(self) -> None:
        """The file was corrupt, and another has been begun: what it held we hold as well."""
        for row in self._backlog:
            self._writer.put(row)
        self._writer.lost(self._lost)
        self.record(Event("outbox.spoilt", {}, "audit"))

    def _mark(self) -> EventStamp:
        self._number += 1
        now_s = self._clock.now()
        return EventStamp(str(ULID()), self._number, self._epochs.epoch, self._wall_ms(), now_s)

    def _take(
        self, mark: EventStamp, kind: str, weight: Weight, payload: bytes, gap: Gap | None = None
    ) -> None:
        stored = Stored(mark.number, weight, kind, self._boot, mark.mono_s, mark.time_ms, payload)
        row = Row(stored, self._connections if self._connected else None, gap)
        self._backlog.add(row)
        self._writer.put(row)
        if self._writer.refusing:
            self._ready()

    def _forget(self, row: Row) -> None:
        self._backlog.remove(row.number)
        self._writer.forget(row.number)

    def _bury(self, row: Row, refusal: Refusal) -> None:
        """The broker will never take *row*; of a gap that it refuses only the count is left."""
        why = "too_large" if refusal.code == TOO_LARGE else f"refused.{refusal.code}"
        log.error("event refused", kind=row.stored.kind, n=row.number, why=str(refusal))
        self._backlog.remove(row.number)
        self._writer.bury(row, why)
        if row.gap is None:
            self._lose(row.number, row.stored.weight, why)

    def _lose(self, number: int, weight: Weight, why: str) -> None:
        """Count the record *number*, and have a gap tell of it."""
        self._lost += 1
        self._writer.lost(self._lost)
        row = self._backlog.gap(weight, why)
        if row is None or row.gap is None:
            mark = self._mark()
            gap = Gap(weight, why, number, number, 1, mark)
            self._take(mark, event_payload.GAP, "audit", gap.payload, gap)
            return
        row.gap.add(number)
        row.stored = replace(row.stored, payload=row.gap.payload)
        self._writer.put(row)

    def _age_ms(self, stored: Stored) -> int:
        """Return how long ago *stored* happened; by the wall clock only after a reboot."""
        if stored.boot == self._boot:
            return round((self._clock.now() - stored.mono_s) * 1000)
        return self._wall_ms() - stored.time_ms
