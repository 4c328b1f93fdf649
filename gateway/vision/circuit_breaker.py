"""Circuit breaker of the decoder: after too many crashes nothing is decoded for a while.

A circuit is open while calls are refused (Nygard, "Release It!"). There is one per camera and one
for all cameras together.
"""

from __future__ import annotations

from collections import deque

CAMERA_CRASHES, CAMERA_WINDOW_S = 2, 600.0
"""So many crashes on pictures of one camera within this time open its circuit."""
TOTAL_CRASHES, TOTAL_WINDOW_S = 5, 60.0
"""So many crashes altogether within this time open the circuit of all cameras."""
OPEN_S = 600.0
"""How long a circuit stays open."""


class CircuitBreaker:
    """Counts crashes of the decoder and says when to stop using it. Times are monotonic."""

    def __init__(self) -> None:
        self._camera_crashes_s: dict[str, deque[float]] = {}
        self._crashes_s: deque[float] = deque(maxlen=TOTAL_CRASHES)
        self._open_until_s: dict[str, float] = {}
        self._all_open_until_s = 0.0

    def record_crash(self, camera: str | None, now_s: float) -> None:
        """Count a crash on a picture of *camera*; None if no picture was being decoded."""
        self._crashes_s.append(now_s)
        if len(self._crashes_s) == TOTAL_CRASHES and now_s - self._crashes_s[0] <= TOTAL_WINDOW_S:
            self._all_open_until_s = now_s + OPEN_S
            self._crashes_s.clear()
        if camera is None:
            return
        crashes = self._camera_crashes_s.setdefault(camera, deque(maxlen=CAMERA_CRASHES))
        crashes.append(now_s)
        if len(crashes) == CAMERA_CRASHES and now_s - crashes[0] <= CAMERA_WINDOW_S:
            self._open_until_s[camera] = now_s + OPEN_S
            del self._camera_crashes_s[camera]

    def is_open(self, camera: str, now_s: float) -> bool:
        """Return whether pictures of *camera* must not be decoded at *now_s*."""
        until_s = max(self._all_open_until_s, self._open_until_s.get(camera, 0.0))
        return now_s < until_s

    def is_open_for_all(self, now_s: float) -> bool:
        """Return whether no picture at all may be decoded at *now_s*."""
        return now_s < self._all_open_until_s
