"""The outbox: events in order, on the disk until the broker has acknowledged them.

Implements `gateway.ports.Events` for those who record, and `OutboxSource` for the client. A record
is sent once it is on the disk, or once the disk has refused it, and deleted when the broker
acknowledges it. After a crash some are sent twice: readers know them by their id. What the broker
refuses for good, or what there is no room for, becomes part of a gap, which is a record itself.

All methods belong to the event loop, and none waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from gateway.model.errors import MessageRejected, TransientError
from gateway.model.event import Event, Weight
from gateway.model.names import new_id
from gateway.mqtt.delivery import QUOTA, TOO_LARGE, Refusal
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.outbox.backlog import Backlog, PendingRecord
from gateway.mqtt.outbox.store import StoredRecord
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads import event as event_payload
from gateway.mqtt.payloads.event import EventStamp, Gap
from gateway.mqtt.payloads.presence import BirthOutbox
from gateway.mqtt.topic_tree import DOCUMENT, INVENTORY_LOG
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Clock, OutboundMessage
from gateway.runtime.clock import now_ms

REFUSED_PAUSE_S, MAX_REFUSED_PAUSE_S = 5.0, 60.0
"""Between two tries when the broker refuses for now: doubling."""

TRIES = 5
"""How often a record is sent that is refused by a code neither permanent nor for quota."""

CLOCK_SET_MS = 2000
"""A wall clock that differs by more has been set, and records are corrected; less is drift."""

log = structlog.get_logger(__name__)


class Outbox:
    """Stores events until the broker has acknowledged them.

    Args:
        writer: Writes to the disk.
        topics: Of this gateway.
        epochs: Numbers the connections.
        boot: Id of the machine's boot; monotonic times of another boot mean nothing.
        on_ready: Called when there is something to send.
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
        on_ready: Callable[[], None] = lambda: None,
        backlog: Backlog | None = None,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._writer = writer
        self._topics = topics
        self._epochs = epochs
        self._boot = boot
        self._on_ready = on_ready
        self._clock = clock
        self._wall_ms = wall_ms
        self._backlog = Backlog() if backlog is None else backlog
        self._connections, self._connected = 0, False
        self._quiet_until_s, self._pause_s = clock.now(), REFUSED_PAUSE_S
        self._number = self._lost = 0
        self._load()

    @property
    def pending(self) -> int:
        """How many records the broker has not acknowledged."""
        return len(self._backlog)

    @property
    def last_number(self) -> int:
        """The highest number given so far, by this process or those before it."""
        return self._number

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest of them; None: there is none."""
        oldest = next(iter(self._backlog), None)
        return None if oldest is None else max(0.0, self._age_ms(oldest.stored) / 1000)

    def birth_status(self) -> BirthOutbox:
        """Return what waits, as the birth reports it."""
        oldest_s = round(self.oldest_s or 0.0, 1)
        return BirthOutbox(pending=self.pending, oldest_s=oldest_s, lost=self._lost)

    @property
    def trouble(self) -> TransientError | None:
        """Why events cannot be written to the disk; None: they can."""
        return self._writer.trouble

    def record(self, event: Event) -> None:
        """Store *event* and send it: see `gateway.ports.Events`.

        One that contract 1.0 names otherwise is recorded once more, under that name.
        """
        self._record(event)
        if (former := event_payload.former_event(event)) is not None:
            self._record(former)

    def _record(self, event: Event) -> None:
        stamp = self._next_stamp()
        try:
            payload = event_payload.encode_record(event, stamp)
        except MessageRejected as error:
            fault = error.faults[0]
            log.error("event_not_recorded", kind=event.kind, fault=fault.code, at=fault.at)
            why = "too_large" if fault.code == "size" else "malformed"
            self._count_lost(stamp.number, event.weight, why)
            return
        self._enqueue(stamp, event.kind, event.weight, payload)
        while (row := self._backlog.next_to_drop()) is not None:
            self._delete(row)
            self._count_lost(row.number, row.stored.weight, "size_limit")

    async def flush(self) -> None:
        """Return once what has been recorded so far is on the disk, or the disk refuses it."""
        await self._writer.flush(self._number)

    async def run(self) -> None:
        """Write to the disk until cancelled, and the rest before returning."""
        await self._writer.run(on_batch=self._on_ready, on_recreated=self._rewrite)

    def on_connected(self) -> None:
        """See `gateway.mqtt.delivery.OutboxSource`."""
        self._connections += 1
        self._connected = True
        self._quiet_until_s, self._pause_s = self._clock.now(), REFUSED_PAUSE_S

    def on_connection_lost(self) -> None:
        """See `gateway.mqtt.delivery.OutboxSource`."""
        self._connected = False
        self._backlog.mark_all_unsent()

    def next_message(self) -> OutboundMessage | None:
        """See `gateway.mqtt.delivery.OutboxSource`."""
        if self._clock.now() < self._quiet_until_s:
            return None
        row = self._backlog.next_unsent(include_unsaved=self._writer.refusing)
        if row is None:
            return None
        row.sent = True
        stored = row.stored
        shift_ms = 0
        if stored.boot == self._boot:
            shift_ms = self._wall_ms() - self._age_ms(stored) - stored.time_ms
        encoded = event_payload.encode_for_sending(
            stored.payload,
            late=row.connection != self._connections,
            shift_ms=shift_ms if abs(shift_ms) > CLOCK_SET_MS else 0,
        )
        spec = event_payload.topic_spec_of(stored.kind)
        own = {INVENTORY_LOG: self._topics.inventory_log, DOCUMENT: self._topics.document}
        topic = own.get(spec, self._topics.event)
        return replace(build_message(spec, topic, encoded), record=stored.number)

    def on_settled(self, record: int, refusal: Refusal | None) -> None:
        """See `gateway.mqtt.delivery.OutboxSource`."""
        row = self._backlog.get(record)
        if row is None:
            return
        if refusal is None:
            self._pause_s = REFUSED_PAUSE_S
            self._delete(row)
        elif refusal.is_permanent or (refusal.code != QUOTA and row.tries + 1 >= TRIES):
            self._dead_letter(row, refusal)
        else:
            row.sent = False
            row.tries += 1
            self._quiet_until_s = self._clock.now() + self._pause_s
            self._pause_s = min(self._pause_s * 2, MAX_REFUSED_PAUSE_S)

    def _load(self) -> None:
        found = self._writer.load()
        # A disk that cannot be read may hold any number; the time is above them all.
        unknown = found.last is None or found.corrupt
        self._number = self._wall_ms() if unknown else found.last or 0
        self._lost = found.lost
        for stored in found.records:
            try:
                gap = event_payload.decode_gap(stored.payload)
            except MessageRejected:
                self._writer.delete(stored.number)
            else:
                self._backlog.add(PendingRecord(stored, gap=gap, saved=True))
        if found.corrupt:
            facts = {"why": "newer"} if found.newer else {}
            self.record(Event("outbox.corrupt", facts, "audit"))

    def _rewrite(self) -> None:
        """The file was corrupt and is replaced: write again all that is in memory."""
        for row in self._backlog:
            self._writer.enqueue(row)
        self._writer.set_lost(self._lost)
        self.record(Event("outbox.corrupt", {}, "audit"))

    def _next_stamp(self) -> EventStamp:
        self._number += 1
        now_s = self._clock.now()
        return EventStamp(new_id(), self._number, self._epochs.epoch, self._wall_ms(), now_s)

    def _enqueue(
        self, stamp: EventStamp, kind: str, weight: Weight, payload: bytes, gap: Gap | None = None
    ) -> None:
        stored = StoredRecord(
            stamp.number, weight, kind, self._boot, stamp.mono_s, stamp.time_ms, payload
        )
        row = PendingRecord(stored, self._connections if self._connected else None, gap)
        self._backlog.add(row)
        self._writer.enqueue(row)
        if self._writer.refusing:
            self._on_ready()

    def _delete(self, row: PendingRecord) -> None:
        self._backlog.remove(row.number)
        self._writer.delete(row.number)

    def _dead_letter(self, row: PendingRecord, refusal: Refusal) -> None:
        """Set *row* aside: the broker refuses it for good. Of a gap only the count is left."""
        why = "too_large" if refusal.code == TOO_LARGE else f"refused.{refusal.code}"
        log.error("event_refused", kind=row.stored.kind, n=row.number, why=str(refusal))
        self._backlog.remove(row.number)
        self._writer.add_dead_letter(row, why)
        if row.gap is None:
            self._count_lost(row.number, row.stored.weight, why)

    def _count_lost(self, number: int, weight: Weight, why: str) -> None:
        """Count the record *number* as lost, in a gap."""
        self._lost += 1
        self._writer.set_lost(self._lost)
        row = self._backlog.open_gap(weight, why)
        if row is None or row.gap is None:
            stamp = self._next_stamp()
            gap = Gap(weight, why, number, number, 1, stamp)
            self._enqueue(stamp, event_payload.GAP, "audit", gap.payload, gap)
            return
        row.gap.add(number)
        row.stored = replace(row.stored, payload=row.gap.payload)
        self._writer.enqueue(row)

    def _age_ms(self, stored: StoredRecord) -> int:
        """Return how long ago *stored* happened; by the wall clock only after a reboot."""
        if stored.boot == self._boot:
            return round((self._clock.now() - stored.mono_s) * 1000)
        return self._wall_ms() - stored.time_ms
