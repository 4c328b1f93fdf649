"""Whose pictures crash the decoder, and for how long they are not shown to it."""

from __future__ import annotations

from collections import deque

CAMERA_CRASHES, CAMERA_WINDOW_S = 2, 600.0
"""Two crashes on one camera's pictures are no accident."""
TOTAL_CRASHES, TOTAL_WINDOW_S = 5, 60.0
"""So many with different cameras are the machine's fault, or an attack on all of them."""
OPEN_S = 600.0


class CircuitBreaker:
    """Remembers crashes for as long as they matter."""

    def __init__(self) -> None:
        self._camera_crashes_s: dict[str, deque[float]] = {}
        self._crashes_s: deque[float] = deque(maxlen=TOTAL_CRASHES)
        self._open_until_s: dict[str, float] = {}
        self._all_open_until_s = 0.0

    def record_crash(self, camera: str | None, now_s: float) -> None:
        """Note a crash, on a picture of *camera*; None: it came by itself."""
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
        """Whether pictures of *camera* are not to be decoded now."""
        until_s = max(self._all_open_until_s, self._open_until_s.get(camera, 0.0))
        return now_s < until_s

    def is_open_for_all(self, now_s: float) -> bool:
        """Whether nothing is to be decoded now."""
        return now_s < self._all_open_until_s
