"""Tells two fields in one picture from whole pictures, over many of them. Pure, but for its state.

Rows alternate where something has moved between two fields, now here and now there. Rows that
alternate in the same place all the time are a blind or a fence.
"""

from __future__ import annotations

from collections import Counter, deque

COMBED, CHECKS = 3, 240
"""Pictures are two fields each if so many of the last so many are combed where most are not."""

RARE = 3
"""A tile is told by if at most one of so many pictures is combed there."""


class InterlaceDetector:
    """Watches the pictures of one stream."""

    def __init__(self) -> None:
        self._seen: deque[frozenset[int]] = deque(maxlen=CHECKS)
        self._counts: Counter[int] = Counter()

    def add(self, combed: bytes) -> None:
        """Add the next picture: one bit for each tile, whether it is combed there."""
        if len(self._seen) == CHECKS:
            self._counts.subtract(self._seen[0])
        tiles = int.from_bytes(combed)
        seen = frozenset(each for each in range(tiles.bit_length()) if tiles >> each & 1)
        self._seen.append(seen)
        self._counts.update(seen)

    @property
    def interlaced(self) -> bool | None:
        """Whether the pictures are two fields each; None: not known."""
        most = len(self._seen) // RARE
        rare = {tile for tile, count in self._counts.items() if 0 < count <= most}
        if sum(not rare.isdisjoint(seen) for seen in self._seen) >= COMBED:
            return True
        return False if len(self._seen) == CHECKS else None
