"""Tells a recording that is played again and again from live pictures. Pure, apart from its state.

A sensor's noise never comes again, so a decoded picture that equals an earlier one in every pixel,
with others between the two, has been recorded. One such picture proves nothing: a recorder shows
the same "no signal" each time its cable is loose. `DISTINCT` different ones do. Pictures are looked
at now and then only, so a loop of many keyframes is found when the first of them happen to be
looked at twice: after a few minutes one of 30 s, after half an hour to an hour one of ten minutes.
"""

from __future__ import annotations

from array import array
from collections import deque
from itertools import pairwise

HISTORY = 1024
"""Pictures that are remembered, 8 bytes each: eight and a half hours at one every 30 s."""

DISTINCT = 3
"""So many different pictures must have come again ..."""

WITHIN = 240
"""... within so many checks."""

GAPS = 8
PATIENCE = 4
"""A loop has ended when nothing has come again for this many times the longest of its last `GAPS`
pauses, and as many checks more."""

DIGEST_BYTES = 8


class RepetitionDetector:
    """Watches the pictures of one camera.

    Attributes:
        looping: Whether they seem to be a recording.
    """

    def __init__(self) -> None:
        self.looping = False
        self._history: array[int] = array("Q")
        self._checks = 0
        self._last = -1
        self._recurred: dict[int, int] = {}
        self._recurred_at = 0
        self._gaps: deque[int] = deque(maxlen=GAPS)

    @property
    def size_bytes(self) -> int:
        """What is remembered of pictures, about."""
        return self._history.itemsize * len(self._history) + 16 * len(self._recurred)

    def add(self, digest: bytes) -> bool:
        """Add the next picture by the *digest* of all its pixels; return `looping`.

        Args:
            digest: At least `DIGEST_BYTES` long.
        """
        number = int.from_bytes(digest[:DIGEST_BYTES])
        self._checks += 1
        if number == self._last:
            return self.looping  # a picture that stands still is another fault
        self._last = number
        if number in self._history:
            self._on_recurred(number)
        else:
            self._history.append(number)
            if len(self._history) > HISTORY:
                self._history.pop(0)
        silent = self._checks - self._recurred_at
        if self.looping and silent > PATIENCE * max(self._gaps, default=0) + PATIENCE:
            self.looping = False
            self._recurred.clear()
        return self.looping

    def _on_recurred(self, number: int) -> None:
        self._recurred[number] = self._checks
        self._recurred = {
            each: at for each, at in self._recurred.items() if at > self._checks - WITHIN
        }
        if self.looping:
            self._gaps.append(self._checks - self._recurred_at)
        self._recurred_at = self._checks
        if not self.looping and len(self._recurred) >= DISTINCT:
            at = sorted(self._recurred.values())
            self._gaps.extend(after - before for before, after in pairwise(at))
            self.looping = True
