"""What is wrong with a camera's picture, look by look: black, frozen, blurred, covered, moved.

A single look proves nothing: a truck passes, a lamp goes out. A doubt is raised once `RAISE` looks
in a row agree and lowered once `LOWER` do not. A camera that changes to infrared, or back, is
learnt anew. Pure, but for what it remembers; no picture is kept beyond a thumbnail.
"""

from __future__ import annotations

import statistics
from collections import deque

from gateway.codec.figures import Figures, Look
from gateway.model.reasons import Reason

RAISE, LOWER = 3, 2

BLACK_BRIGHT = 32.0
"""Luma that 90 % of a black picture stay below; black itself is 16."""

COVERED_FLAT = 0.95
"""Share of a picture in which nothing is to be seen, when something is before it ..."""

COVERED_LOST = 0.75
"""... or share of what was to be seen that no longer is."""

SHARP_LOOKS = 10
"""So many looks are needed to know how sharp a camera is."""

BLURRED_PART = 0.3
"""Of its usual sharpness."""

MOVED_LIKENESS = 0.25
"""Edges that are so little alike are those of another view."""

ALIGNED, BETTER, SHIFTED = 0.5, 0.05, 0.04
"""Or of the same view, and more alike after a shift of so much of its width: a camera that has
been turned by a tenth of its view still has half of its edges in place."""

NIGHT_COLOUR = 1.5
"""Mean distance from grey of an infrared picture at most."""

ACCEPTED_LOOKS = 2880
"""After a day of looks every 30 s the new view is the camera's view."""


class Judge:
    """Remembers one camera's looks and says what is wrong with it.

    Attributes:
        doubts: What is wrong now.
        reference: Thumbnail for the next look; empty: there is none.
    """

    def __init__(self) -> None:
        self.doubts: frozenset[Reason] = frozenset()
        self.reference = b""
        self._sharpness: deque[float] = deque(maxlen=60)
        self._digest = b""
        self._night: bool | None = None
        self._votes: dict[Reason, int] = {}
        self._moved_looks = 0

    def take(self, look: Look) -> frozenset[Reason]:
        """Take the next look, made with `reference`; return what is wrong now."""
        figures = look.figures
        seen: frozenset[Reason] = frozenset()
        if self._has_turned(figures):
            self._learn_anew()
        else:
            seen = self._seen(figures)
            self._count(seen)
        self._digest = figures.digest
        self._remember(look, seen)
        return self.doubts

    def _has_turned(self, figures: Figures) -> bool:
        """Whether the camera has changed to infrared since the last look, or back."""
        if figures.bright < BLACK_BRIGHT or _is_covered(figures):
            return False  # a cover is as grey by day as infrared is by night; so is the dark
        before, self._night = self._night, figures.colour < NIGHT_COLOUR
        return before is not None and before != self._night

    def _seen(self, figures: Figures) -> frozenset[Reason]:
        """Return what this one look says."""
        seen = set()
        if figures.digest == self._digest:
            seen.add(Reason.PICTURE_FROZEN)
        if figures.bright < BLACK_BRIGHT:
            seen.add(Reason.PICTURE_BLACK)
        elif _is_covered(figures):
            seen.add(Reason.PICTURE_COVERED)
        elif self._is_blurred(figures):
            seen.add(Reason.PICTURE_BLURRED)
        elif self.reference and _is_moved(figures):
            seen.add(Reason.PICTURE_MOVED)
        return frozenset(seen)

    def _is_blurred(self, figures: Figures) -> bool:
        if len(self._sharpness) < SHARP_LOOKS:
            return False
        return figures.sharpness < BLURRED_PART * statistics.median(self._sharpness)

    def _count(self, seen: frozenset[Reason]) -> None:
        doubts = set(self.doubts)
        for reason in {*seen, *self._votes}:
            votes = self._votes.get(reason, 0)
            votes = max(votes, 0) + 1 if reason in seen else min(votes, 0) - 1
            self._votes[reason] = votes
            if votes >= RAISE:
                doubts.add(reason)
            elif votes <= -LOWER:
                doubts.discard(reason)
                del self._votes[reason]
        self.doubts = frozenset(doubts)

    def _remember(self, look: Look, seen: frozenset[Reason]) -> None:
        """Learn from a look that nothing is wrong with."""
        self._moved_looks = self._moved_looks + 1 if Reason.PICTURE_MOVED in seen else 0
        if self._moved_looks >= ACCEPTED_LOOKS:
            self._learn_anew()
        if seen - {Reason.PICTURE_FROZEN}:
            return
        self.reference = look.blended if self.reference else look.now
        self._sharpness.append(look.figures.sharpness)

    def _learn_anew(self) -> None:
        self.reference = b""
        self._sharpness.clear()
        self._votes.clear()
        self._moved_looks = 0
        self.doubts = frozenset()


def _is_covered(figures: Figures) -> bool:
    return figures.flat >= COVERED_FLAT or figures.lost >= COVERED_LOST


def _is_moved(figures: Figures) -> bool:
    shift = max(abs(figures.shift_x), abs(figures.shift_y))
    better = figures.aligned - figures.likeness
    if shift >= SHIFTED and figures.aligned >= ALIGNED and better >= BETTER:
        return True
    return max(figures.likeness, figures.aligned) < MOVED_LIKENESS
