"""A disk with a volatile write cache, and what a power cut at any moment would leave of it.

A write is pending until the next flush. A cut keeps what was flushed and, of the pending sectors,
none, all, or a random part: drives reorder what they hold, and tear it at sectors.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

SECTOR = 512
SURVIVAL = (0.0, 0.5, 1.0)
"""How likely a cut keeps a pending sector; drawn for each cut."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What one power cut has left.

    Attributes:
        image: The whole disk.
        pending: Sectors that had not been flushed.
        survived: How many of them are on the image all the same.
    """

    image: bytes
    pending: int
    survived: int


class VolatileDisk:
    """*size* bytes. Safe to use from several threads.

    Args:
        size: In bytes.
        on_flush: Called at the beginning of each flush that has something to write.
    """

    def __init__(self, size: int, on_flush: Callable[[], None] = lambda: None) -> None:
        self._now = bytearray(size)
        self._stable = bytearray(size)
        self._pending: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()
        self.on_flush = on_flush

    def __len__(self) -> int:
        return len(self._now)

    def read(self, offset: int, size: int) -> bytes:
        """Return what was written last, flushed or not."""
        with self._lock:
            return bytes(self._now[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Write into the cache."""
        with self._lock:
            self._now[offset : offset + len(data)] = data
            self._pending.append((offset, data))

    def flush(self) -> None:
        """Make every write so far stable."""
        if self._pending:
            self.on_flush()  # the power may go in the middle of it
        with self._lock:
            for offset, data in self._pending:
                self._stable[offset : offset + len(data)] = data
            self._pending.clear()

    def cut(self, chance: random.Random) -> Cut:
        """Return what would be left if the power went now."""
        with self._lock:
            image, pending = bytearray(self._stable), list(self._pending)
        keep = chance.choice(SURVIVAL)
        sectors = [
            (offset + at, data[at : at + SECTOR])
            for offset, data in pending
            for at in range(0, len(data), SECTOR)
        ]
        survived = 0
        for offset, sector in sectors:
            if chance.random() < keep:
                image[offset : offset + len(sector)] = sector
                survived += 1
        return Cut(bytes(image), len(sectors), survived)
