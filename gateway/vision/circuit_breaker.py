"""Whose pictures crash the decoder, and for how long they are not shown to it."""

from __future__ import annotations

from collections import deque

OF_ONE, OF_ONE_WITHIN_S = 2, 600.0
"""Two crashes on one camera's pictures are no accident."""
OF_ALL, OF_ALL_WITHIN_S = 5, 60.0
"""So many with different cameras are the machine's fault, or an attack on all of them."""
BARRED_S = 600.0


class CircuitBreaker:
    """Remembers crashes for as long as they matter."""

    def __init__(self) -> None:
        self._of: dict[str, deque[float]] = {}
        self._of_all: deque[float] = deque(maxlen=OF_ALL)
        self._barred_until_s: dict[str, float] = {}
        self._all_barred_until_s = 0.0

    def crashed(self, camera: str | None, now_s: float) -> None:
        """Note a crash, on a picture of *camera*; None: it came by itself."""
        self._of_all.append(now_s)
        if len(self._of_all) == OF_ALL and now_s - self._of_all[0] <= OF_ALL_WITHIN_S:
            self._all_barred_until_s = now_s + BARRED_S
            self._of_all.clear()
        if camera is None:
            return
        crashes = self._of.setdefault(camera, deque(maxlen=OF_ONE))
        crashes.append(now_s)
        if len(crashes) == OF_ONE and now_s - crashes[0] <= OF_ONE_WITHIN_S:
            self._barred_until_s[camera] = now_s + BARRED_S
            del self._of[camera]

    def barred(self, camera: str, now_s: float) -> bool:
        """Whether pictures of *camera* are not to be decoded now."""
        until_s = max(self._all_barred_until_s, self._barred_until_s.get(camera, 0.0))
        return now_s < until_s

    def all_barred(self, now_s: float) -> bool:
        """Whether nothing is to be decoded now."""
        return now_s < self._all_barred_until_s
