"""Tells a recording that is played again and again from live pictures. Pure, apart from its state.

A sensor's noise never comes again. A decoded picture that equals an earlier one in every pixel,
with others between the two, has been recorded. So has one whose *grain* is as that of an earlier
picture, and as that of none beside either of the two: such a recording has been encoded anew, or
fed into a recorder as if it were a camera. One such picture proves nothing: a recorder shows the
same "no signal" each time its cable is loose. `DISTINCT` different ones do. Pictures are looked at
now and then only, so a loop of many keyframes is found when the first of them happen to be looked
at twice: after a few minutes one of 30 s, after half an hour to an hour one of ten minutes.

What moves, a screen in the hall, a lamp, a door, comes again as well and is no proof: it changes
the grain of a part of the picture, or of all pictures for a while.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from itertools import pairwise

HISTORY = 1024
"""Digests that are remembered, 8 bytes each: eight and a half hours at one every 30 s."""

GRAINS = 256
"""Grains that are remembered, 250 bytes each: two hours."""

DISTINCT = 3
"""So many different pictures must have come again ..."""

WITHIN = 240
"""... within so many checks."""

GAPS = 8
PATIENCE = 4
"""A loop has ended when nothing has come again for this many times the longest of its last `GAPS`
pauses, and as many checks more."""

DIGEST_BYTES = 8

RECENT = 8
"""Bits of the grain that are equal in so many pictures in a row show the place, not the noise."""

LEAST_BITS = 200
"""With fewer bits of noise nothing is said."""

BESIDE = 2
"""So many pictures before and after each of two are to be less like the other than the two are."""

MARGIN, MARGIN_RISE, DEVIATIONS = 0.05, 1.5, 7.0
"""By how much less, as a share of the bits: `MARGIN`, more the less the bits are like noise, of
which half are equal by chance; at least so many standard deviations of chance."""


class RepetitionDetector:
    """Watches the pictures of one camera.

    Attributes:
        looping: Whether they seem to be a recording.
    """

    def __init__(self) -> None:
        self.looping = False
        self._history: array[int] = array("Q")
        self._grains: deque[int] = deque(maxlen=GRAINS)
        self._checks = 0
        self._last = -1
        self._recurred: dict[int, int] = {}
        self._recurred_grains: dict[int, int] = {}
        self._recurred_at = 0
        self._gaps: deque[int] = deque(maxlen=GAPS)

    @property
    def size_bytes(self) -> int:
        """What is remembered of pictures, about."""
        grains = sum(each.bit_length() // 8 for each in self._grains)
        return 8 * len(self._history) + grains + 16 * len(self._recurred)

    def add(self, digest: bytes, grain: bytes = b"") -> bool:
        """Add the next picture; return `looping`.

        Args:
            digest: Of all its pixels, at least `DIGEST_BYTES` long.
            grain: One bit for each of many places: whether it is brighter than what is around it;
                empty: not known.
        """
        number, bits = int.from_bytes(digest[:DIGEST_BYTES]), int.from_bytes(grain)
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
            again = self._recurring(bits, number) if bits else None
            if again is not None:
                self._on_recurred(again)
        if bits:
            self._grains.append(bits)
        silent = self._checks - self._recurred_at
        if self.looping and silent > PATIENCE * max(self._gaps, default=0) + PATIENCE:
            self.looping = False
            self._recurred.clear()
        return self.looping

    def _recurring(self, bits: int, number: int) -> int | None:
        """Return the number of the picture whose noise *bits* have come again; None: they have not.

        One that has come again already keeps the number that it had then, else it is *number*.
        """
        noise = self._noise(bits)
        least = noise.bit_count()
        if len(self._grains) < RECENT or least < LEAST_BITS:
            return None

        def likeness(grain: int) -> float:
            return 1 - ((bits ^ grain) & noise).bit_count() / least

        alike = [likeness(each) for each in self._grains]
        latest = max(alike[-BESIDE:])
        for at in sorted(range(len(alike) - RECENT), key=alike.__getitem__)[-DISTINCT:]:
            beside = alike[max(0, at - BESIDE) : at] + alike[at + 1 : at + 1 + BESIDE]
            if is_repeated(alike[at], max(latest, *beside), least):
                for known, grain in self._recurred_grains.items():
                    if is_repeated(likeness(grain), latest, least):
                        return known
                self._recurred_grains[number] = bits
                return number
        return None

    def _noise(self, bits: int) -> int:
        """Return the bits that have not been the same in all of the last pictures."""
        some = every = bits
        for each in list(self._grains)[-RECENT:]:
            some, every = some | each, every & each
        return some & ~every

    def _on_recurred(self, number: int) -> None:
        self._recurred[number] = self._checks
        self._recurred = {
            each: at for each, at in self._recurred.items() if at > self._checks - WITHIN
        }
        self._recurred_grains = {
            each: bits for each, bits in self._recurred_grains.items() if each in self._recurred
        }
        if self.looping:
            self._gaps.append(self._checks - self._recurred_at)
        self._recurred_at = self._checks
        if not self.looping and len(self._recurred) >= DISTINCT:
            at = sorted(self._recurred.values())
            self._gaps.extend(after - before for before, after in pairwise(at))
            self.looping = True


def is_repeated(alike: float, beside: float, bits: int) -> bool:
    """Return whether two pictures whose noise is *alike* are one, others being *beside* as alike.

    Both are shares of equal ones of so many *bits*; 0.5 is chance.
    """
    beside = max(0.5, beside)
    least = MARGIN + MARGIN_RISE * (beside - 0.5)
    return alike - beside >= max(least, DEVIATIONS * 0.5 / math.sqrt(bits))
