"""The access units since the last keyframe, so that a viewer who joins sees a picture at once."""

from __future__ import annotations

from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit


class Gop:
    """Keeps one GOP, bounded in bytes and in time.

    A GOP that outgrows a bound is forgotten whole, since a part of it cannot be decoded; viewers
    who join then wait for the next keyframe, and the stream's health says why.

    Args:
        limit_bytes: Most payload bytes kept.
        limit_s: Longest stretch of video kept, in seconds.
    """

    def __init__(self, *, limit_bytes: int, limit_s: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_90k = int(limit_s * VIDEO_CLOCK_HZ)
        self._units: list[AccessUnit] = []
        self._size_bytes = 0
        self._last_s: float | None = None
        self.length_s: float | None = None
        """Measured distance between the last two keyframes; None until there were two."""

    @property
    def units(self) -> tuple[AccessUnit, ...]:
        """What is kept, keyframe first; empty if a newcomer has to wait."""
        return tuple(self._units)

    @property
    def size_bytes(self) -> int:
        """Payload bytes kept."""
        return self._size_bytes

    @property
    def keyframe_s(self) -> float | None:
        """When the last keyframe arrived, on the monotonic clock."""
        return self._last_s

    def add(self, unit: AccessUnit) -> None:
        """Take the stream's next access unit."""
        if unit.keyframe:
            if self._last_s is not None:
                self.length_s = unit.arrived_s - self._last_s
            self._last_s = unit.arrived_s
            self._units = [unit]
            self._size_bytes = unit.size_bytes
        elif self._units:
            self._units.append(unit)
            self._size_bytes += unit.size_bytes
            too_long = unit.time_90k - self._units[0].time_90k > self._limit_90k
            if too_long or self._size_bytes > self._limit_bytes:
                self.forget()

    def forget(self) -> None:
        """Drop what is kept: the source is gone, and its next unit continues nothing here."""
        self._units = []
        self._size_bytes = 0
