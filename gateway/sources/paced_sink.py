"""Hands pictures on at the pace at which they are shown, out of bursts.

An HLS camera sends a segment at once: seconds of pictures, then nothing for as long. A viewer who
got them so would see them so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit, VideoFormat
from gateway.ports import Clock, Sink

MOST_HELD_BYTES = 32 << 20
"""What is beyond goes out at once: more than 20 s of the fastest honest camera."""

CallLater = Callable[[float, Callable[[], None]], asyncio.TimerHandle]
"""As of an event loop."""


class PacedSink:
    """Delivers into another sink; ended by `close`.

    Args:
        sink: Where to.
        clock: Monotonic.
        call_later: How to be called again.

    Attributes:
        longest_s: How much is held at most, of the time of the pictures; what is beyond goes out at
            once.
    """

    def __init__(self, sink: Sink, clock: Clock, call_later: CallLater) -> None:
        self._sink = sink
        self._clock = clock
        self._call_later = call_later
        self._held: deque[AccessUnit] = deque()
        self._held_bytes = 0
        self._offset_s: float | None = None  # from the pictures' time to the clock's
        self._timer: asyncio.TimerHandle | None = None
        self.longest_s = 10.0

    @property
    def held_s(self) -> float:
        """For how long the newest picture still waits."""
        if not self._held:
            return 0.0
        return max(0.0, self._due_s(self._held[-1]) - self._clock.now())

    def on_opened(self, video: VideoFormat) -> None:
        """As `gateway.ports.Sink`."""
        self._sink.on_opened(video)

    def deliver(self, unit: AccessUnit) -> None:
        """As `gateway.ports.Sink`: now, or when it is due."""
        now_s, shown_s = self._clock.now(), unit.time_90k / VIDEO_CLOCK_HZ
        earliest_s, latest_s = now_s - shown_s, now_s - shown_s + self.longest_s
        if self._offset_s is None or (not self._held and self._offset_s < earliest_s):
            self._offset_s = earliest_s
        self._offset_s = min(self._offset_s, latest_s)
        self._held.append(unit)
        self._held_bytes += unit.size_bytes
        while self._held_bytes > MOST_HELD_BYTES:
            self._hand_on()
        self._release()

    def close(self) -> None:
        """Deliver what is held, at once."""
        if self._timer is not None:
            self._timer.cancel()
        while self._held:
            self._hand_on()

    def _due_s(self, unit: AccessUnit) -> float:
        return (self._offset_s or 0.0) + unit.time_90k / VIDEO_CLOCK_HZ

    def _release(self) -> None:
        """Deliver what is due, and come again when the next is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._held:
            wait_s = self._due_s(self._held[0]) - self._clock.now()
            if wait_s > 0.0:
                self._timer = self._call_later(wait_s, self._release)
                return
            self._hand_on()

    def _hand_on(self) -> None:
        unit = self._held.popleft()
        self._held_bytes -= unit.size_bytes
        self._sink.deliver(replace(unit, arrived_s=self._clock.now()))
