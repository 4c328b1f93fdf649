"""The records of the outbox in memory: their order, bounds, and what is dropped first. No I/O.

Nothing is lost silently: a gap stands for what is lost, one for each class and reason, and grows
until it is sent. Gaps are few, and are not dropped themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.event import Weight
from gateway.mqtt.outbox.store import StoredRecord
from gateway.mqtt.payloads.event import Gap

MAX_RECORDS, MAX_BYTES = 10_000, 8_388_608
"""How much is held at most; two weeks of a site without a line fit in."""

DROP_ORDER: tuple[Weight, ...] = ("info", "event", "audit")


@dataclass(slots=True)
class PendingRecord:
    """One record that waits.

    Attributes:
        stored: As it is, or will be, on the disk.
        connection: Number of the connection during which it happened; None: there was none.
        gap: What it stands for, if it is a gap.
        saved: Whether it is on the disk.
        sent: Whether it is in flight.
        tries: How often the broker has refused it.
    """

    stored: StoredRecord
    connection: int | None = None
    gap: Gap | None = None
    saved: bool = False
    sent: bool = False
    tries: int = 0

    @property
    def number(self) -> int:
        """The record's number."""
        return self.stored.number


class Backlog:
    """The records that wait, in order.

    Args:
        max_records: How many at most, without gaps.
        max_bytes: How large together at most, without gaps.
    """

    def __init__(self, *, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._rows: OrderedDict[int, PendingRecord] = OrderedDict()
        self._classes: dict[str, OrderedDict[int, PendingRecord]] = {
            weight: OrderedDict() for weight in DROP_ORDER
        }
        self._gaps: dict[tuple[str, str], PendingRecord] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[PendingRecord]:
        return iter(self._rows.values())

    def get(self, number: int) -> PendingRecord | None:
        """Return that record."""
        return self._rows.get(number)

    def add(self, row: PendingRecord) -> None:
        """Append *row*, whose number is the highest."""
        self._rows[row.number] = row
        if row.gap is None:
            self._classes[row.stored.weight][row.number] = row
            self._bytes += len(row.stored.payload)
        else:
            self._gaps[row.gap.weight, row.gap.why] = row

    def remove(self, number: int) -> PendingRecord | None:
        """Remove that record and return it."""
        row = self._rows.pop(number, None)
        if row is None:
            return None
        if self._classes[row.stored.weight].pop(number, None) is not None:
            self._bytes -= len(row.stored.payload)
        elif row.gap is not None and self._gaps.get((row.gap.weight, row.gap.why)) is row:
            del self._gaps[row.gap.weight, row.gap.why]
        return row

    def next_to_drop(self) -> PendingRecord | None:
        """Return the record to drop now, or None: there is room."""
        held = sum(map(len, self._classes.values()))
        if held <= self._max_records and self._bytes <= self._max_bytes:
            return None
        for weight in DROP_ORDER:
            for row in self._classes[weight].values():
                if not row.sent:
                    return row
        return None

    def next_unsent(self, *, include_unsaved: bool) -> PendingRecord | None:
        """Return the first that is not in flight; one not on the disk only if *include_unsaved*."""
        for row in self._rows.values():
            if not row.sent:
                return row if row.saved or include_unsaved else None
        return None

    def open_gap(self, weight: str, why: str) -> PendingRecord | None:
        """Return the gap of this class and reason that can still grow: it is not in flight."""
        row = self._gaps.get((weight, why))
        return None if row is None or row.sent else row

    def mark_all_unsent(self) -> None:
        """The connection is over: nothing is in flight any more."""
        for row in self._rows.values():
            row.sent = False
