"""From looks at one camera over time to what is wrong with its picture. Pure.

What explains the most is said alone: a black picture is not called covered too, nor a covered one
blurred. A single look says nothing, since people come close to cameras and lights go out.

What cannot be known is not said: a lens that was blurred, or a camera that was turned, before the
first look is the reference that later ones are compared with.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from gateway.codec.figures import Figures, Look
from gateway.model.reasons import Reason

RAISED_AFTER, LOWERED_AFTER = 3, 2
"""Looks in a row that must agree."""

BLACK_BELOW = 32.0
"""Brightness; video black is 16."""
EMPTY = 0.95
"""Share of the picture that is flat, from where on nothing is to be seen at all."""
LOST = 0.7
"""Share of what was to be seen."""
BLURRED_BELOW = 0.3
"""Of the usual sharpness. Crowds and light change it by a third, defocus by the tenth part."""
SHARP_LOOKS, SHARP_FEWEST = 31, 4
"""Whose median is the usual sharpness, and how many there must be."""
SHIFTED = 0.03
"""Picture widths; wind shakes a mast by less."""
ALIGNED, BETTER = 0.5, 0.15
"""How alike the shifted picture must be for the shift to be believed, and by how much better."""
UNLIKE = 0.2
"""Below it, shifted or not, it is another view."""
NIGHT_BELOW, DAY_ABOVE = 0.7, 1.5
"""Colour. Infrared pictures have none; between the two it is as it was."""
ADOPTED_AFTER = 240
"""Looks after which a new view is the view: two hours at the usual pace."""


class Verdict:
    """What is known of one camera's picture: a thumbnail and some numbers."""

    def __init__(self) -> None:
        self.reference = b""
        """What the next look is to be compared with; empty: nothing."""
        self._size = (0, 0)
        self._night: bool | None = None
        self._digest = b""
        self._sharpness: deque[float] = deque(maxlen=SHARP_LOOKS)
        self._found: Counter[Reason] = Counter()
        self._missed: Counter[Reason] = Counter()
        self._standing: frozenset[Reason] = frozenset()

    @property
    def doubts(self) -> frozenset[Reason]:
        """What is wrong with the picture."""
        return self._standing

    def take(self, look: Look) -> None:
        """Judge by one more *look*, which was compared with `reference`."""
        figures, blended = look.figures, look.blended
        if self._begins_anew(figures):
            self.reference, blended = b"", look.now
            self._sharpness.clear()
            figures = replace(
                figures, lost=0.0, likeness=1.0, aligned=1.0, shift_x=0.0, shift_y=0.0
            )
        found = frozenset(self._judged(figures))
        self._digest = figures.digest
        self._count(found)
        if not found:
            self.reference = blended
            self._sharpness.append(figures.sharpness)
        elif self._found[Reason.PICTURE_MOVED] >= ADOPTED_AFTER:
            self.reference = look.now
            self._sharpness.clear()

    def _begins_anew(self, figures: Figures) -> bool:
        """Return whether the picture is of another kind: another size, or infrared, or colour."""
        size, self._size = self._size, (figures.width, figures.height)
        if _black(figures) or _empty(figures):  # which has no colour at any time of day
            return size != self._size
        night = self._night
        if figures.colour < NIGHT_BELOW:
            self._night = True
        elif figures.colour > DAY_ABOVE or night is None:
            self._night = False
        return size != self._size or night != self._night

    def _judged(self, figures: Figures) -> Iterator[Reason]:
        if _black(figures):
            yield Reason.PICTURE_BLACK
            return
        if _empty(figures):
            yield Reason.PICTURE_COVERED
            return
        if figures.digest == self._digest:
            yield Reason.PICTURE_FROZEN
        if self._blurred(figures):
            yield Reason.PICTURE_BLURRED
        elif _moved(figures):
            yield Reason.PICTURE_MOVED

    def _blurred(self, figures: Figures) -> bool:
        if len(self._sharpness) < SHARP_FEWEST:
            return False
        return figures.sharpness < BLURRED_BELOW * median(self._sharpness)

    def _count(self, found: frozenset[Reason]) -> None:
        """Raise what is found time and again; lower what is not found any more."""
        for reason in found | self._found.keys():
            if reason in found:
                self._found[reason] += 1
                self._missed[reason] = 0
            else:
                self._missed[reason] += 1
                if self._missed[reason] >= LOWERED_AFTER or reason not in self._standing:
                    del self._found[reason], self._missed[reason]
        self._standing = frozenset(
            reason for reason, looks in self._found.items() if looks >= RAISED_AFTER
        )


def _black(figures: Figures) -> bool:
    return figures.bright < BLACK_BELOW


def _empty(figures: Figures) -> bool:
    return figures.flat >= EMPTY or figures.lost >= LOST


def _moved(figures: Figures) -> bool:
    shift = max(abs(figures.shift_x), abs(figures.shift_y))
    better = figures.aligned - figures.likeness
    if shift >= SHIFTED and figures.aligned >= ALIGNED and better >= BETTER:
        return True
    return max(figures.likeness, figures.aligned) < UNLIKE
