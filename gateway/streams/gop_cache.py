"""The access units since the last keyframe, so that a viewer who joins sees a picture at once."""

from __future__ import annotations

from gateway.fastpath import FrameRun
from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit


class GopCache:
    """Holds one GOP, bounded in bytes and in time.

    A GOP that outgrows a bound is dropped as a whole, since a part of it cannot be decoded; viewers
    who join then wait for the next keyframe, and the stream's health says why.

    Args:
        limit_bytes: Most payload bytes retained.
        limit_s: Longest stretch of video retained, in seconds.
    """

    def __init__(self, *, limit_bytes: int, limit_s: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_90k = int(limit_s * VIDEO_CLOCK_HZ)
        self._entries: list[AccessUnit | FrameRun] = []
        self._first_90k = 0
        self._keyframe: AccessUnit | None = None
        self._size_bytes = 0
        self._keyframe_s: float | None = None
        self.gop_s: float | None = None
        """Measured distance between the last two keyframes; None until there were two."""

    @property
    def units(self) -> tuple[AccessUnit, ...]:
        """What is retained, keyframe first; empty if a newcomer has to wait."""
        units: list[AccessUnit] = []
        for each in self._entries:
            units += _units(each)
        return tuple(units)

    @property
    def keyframe(self) -> AccessUnit | None:
        """The first of `units`, at less cost than all of them; None if there is none."""
        if not self._entries:
            return None
        if self._keyframe is None:
            first = self._entries[0]
            if not isinstance(first, AccessUnit):
                first = AccessUnit(*first.first())
            self._keyframe = first
        return self._keyframe

    @property
    def size_bytes(self) -> int:
        """Payload bytes retained."""
        return self._size_bytes

    @property
    def keyframe_s(self) -> float | None:
        """When the last keyframe arrived, on the monotonic clock."""
        return self._keyframe_s

    def add(self, unit: AccessUnit) -> None:
        """Add the stream's next access unit."""
        self._append(unit, unit.time_90k, unit.time_90k, unit.arrived_s)

    def add_run(self, run: FrameRun) -> None:
        """Add the stream's next access units, relayed by the fast path."""
        self._append(run, run.oldest_90k, run.newest_90k, run.oldest_s)

    def _append(
        self, more: AccessUnit | FrameRun, oldest_90k: int, newest_90k: int, oldest_s: float
    ) -> None:
        """Start over at a keyframe; append what follows one, within the bounds."""
        if more.keyframe:
            self.clear()
            if self._keyframe_s is not None:
                self.gop_s = oldest_s - self._keyframe_s
            self._keyframe_s, self._first_90k = oldest_s, oldest_90k
        elif not self._entries:
            return
        self._entries.append(more)
        self._size_bytes += more.size_bytes
        too_long = newest_90k - self._first_90k > self._limit_90k
        if too_long or self._size_bytes > self._limit_bytes:
            self.clear()

    def set_keyframe_times(self, keyframe_s: float, length_s: float) -> None:
        """Set when the last keyframe came by the fast path, and how long after the one before."""
        self._keyframe_s, self.gop_s = keyframe_s, length_s

    def clear(self) -> None:
        """Drop all units: what the source sends next does not continue them."""
        self._entries, self._size_bytes, self._keyframe = [], 0, None


def _units(item: AccessUnit | FrameRun) -> list[AccessUnit]:
    if isinstance(item, AccessUnit):
        return [item]
    return [AccessUnit(*fields) for fields in item]
