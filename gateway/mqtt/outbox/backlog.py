"""What the outbox holds, in memory: order, bounds, what goes first when there is no room. No I/O.

Of what is lost nothing is lost silently: a gap stands for it, one for each class and reason, and
grows until it is sent. Gaps are few and are themselves never given up for want of room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.event import Weight
from gateway.mqtt.outbox.store import Stored
from gateway.mqtt.payloads.event import Gap

RECORDS, RECORDS_BYTES = 10_000, 8_388_608
"""The most that is held; two weeks of a site without a line fit in."""

FIRST_TO_GO: tuple[Weight, ...] = ("info", "event", "audit")


@dataclass(slots=True)
class Row:
    """One record that waits.

    Attributes:
        stored: As it stands, or will stand, on the disk.
        connection: Number of the connection during which it happened; None: there was none.
        gap: What it stands for, if it is a gap that may still grow.
        saved: Whether it is on the disk.
        sent: Whether it is on its way.
        tries: How often the broker has refused it.
    """

    stored: Stored
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
        records: How many at most, gaps aside.
        records_bytes: How large together at most, gaps aside.
    """

    def __init__(self, *, records: int = RECORDS, records_bytes: int = RECORDS_BYTES) -> None:
        self._records = records
        self._records_bytes = records_bytes
        self._rows: OrderedDict[int, Row] = OrderedDict()
        self._classes: dict[str, OrderedDict[int, Row]] = {
            weight: OrderedDict() for weight in FIRST_TO_GO
        }
        self._gaps: dict[tuple[str, str], Row] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, number: int) -> Row | None:
        """Return that record."""
        return self._rows.get(number)

    def add(self, row: Row) -> None:
        """Take *row*, whose number is the highest."""
        self._rows[row.number] = row
        if row.gap is None:
            self._classes[row.stored.weight][row.number] = row
            self._bytes += len(row.stored.payload)
        else:
            self._gaps[row.gap.weight, row.gap.why] = row

    def remove(self, number: int) -> Row | None:
        """Forget that record and return it."""
        row = self._rows.pop(number, None)
        if row is None:
            return None
        if self._classes[row.stored.weight].pop(number, None) is not None:
            self._bytes -= len(row.stored.payload)
        elif row.gap is not None and self._gaps.get((row.gap.weight, row.gap.why)) is row:
            del self._gaps[row.gap.weight, row.gap.why]
        return row

    def excess(self) -> Row | None:
        """Return what has to go now, or None: there is room."""
        held = sum(map(len, self._classes.values()))
        if held <= self._records and self._bytes <= self._records_bytes:
            return None
        for weight in FIRST_TO_GO:
            for row in self._classes[weight].values():
                if not row.sent:
                    return row
        return None

    def next(self, *, unsaved: bool) -> Row | None:
        """Return the first that is not on its way; if it is not on the disk only with *unsaved*."""
        for row in self._rows.values():
            if not row.sent:
                return row if row.saved or unsaved else None
        return None

    def gap(self, weight: str, why: str) -> Row | None:
        """Return the gap for this that can still grow: it is not on its way."""
        row = self._gaps.get((weight, why))
        return None if row is None or row.sent else row

    def back(self) -> None:
        """Nothing is on its way any more."""
        for row in self._rows.values():
            row.sent = False
