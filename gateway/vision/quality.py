"""What is wrong with a camera's picture, look by look: black, frozen, blurred, covered, moved.

A single look proves nothing: a truck passes, a lamp goes out. A doubt is raised once `RAISE` looks
in a row agree and lowered once `LOWER` do not. A camera that changes to infrared, or back, is
learnt anew; one that goes from view to view and back is meant to. Pure, but for what it remembers;
no picture is kept beyond a thumbnail.
"""

from __future__ import annotations

import statistics
from collections import deque

from gateway.model.reasons import Reason
from gateway.vision.metrics import PictureAnalysis, PictureMetrics

RAISE, LOWER = 3, 2
RAISE_FROZEN = 2
"""The same in every pixel at three looks, which is for a minute: a live sensor never is."""

DARK_BRIGHT = 32.0
"""Luma that 90 % of a dark picture stay below; black itself is 16. A dark picture in which
something of the usual view is to be seen, a hall at night, is neither black nor compared."""

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

NIGHT_COLOUR, DAY_COLOUR = 1.5, 3.0
"""Mean distance from grey: below the one a picture is taken for infrared, above the other it is no
longer. A pale hall is between them and must not be learnt anew at each look."""

ACCEPTED_LOOKS = 2880
"""After a day of looks every 30 s the new view is the camera's view."""

RETURNS = 3
"""Coming back so often within a day is what a camera does that turns by itself (PTZ)."""


class PictureQuality:
    """Remembers one camera's looks and says what is wrong with it.

    Attributes:
        doubts: What is wrong now.
        reference: Thumbnail for the next look; empty: there is none.
    """

    def __init__(self) -> None:
        self.suspected_faults: frozenset[Reason] = frozenset()
        self.reference = b""
        self._sharpness: deque[float] = deque(maxlen=60)
        self._digest = b""
        self._night: bool | None = None
        self._votes: dict[Reason, int] = {}
        self._moved_looks = 0
        self._looks = 0
        self._returns: deque[int] = deque(maxlen=RETURNS)

    def update(self, analysis: PictureAnalysis) -> frozenset[Reason]:
        """Take the next look, made with `reference`; return what is wrong now."""
        figures = analysis.metrics
        seen: frozenset[Reason] = frozenset()
        self._looks += 1
        if self._has_switched_infrared(figures):
            self._relearn()
        else:
            seen = self._faults_in(figures)
            self._count(seen)
        self._digest = figures.digest
        self._remember(analysis, seen)
        return self.suspected_faults

    def update_undecodable(self) -> frozenset[Reason]:
        """Take a picture that could not be decoded; return what is wrong now."""
        self._count(frozenset({Reason.CORRUPT}))
        return self.suspected_faults

    def _has_switched_infrared(self, figures: PictureMetrics) -> bool:
        """Whether the camera has changed to infrared since the last look, or back."""
        if _is_dark(figures) or _is_covered(figures):
            return False  # a cover is as grey by day as infrared is by night; so is the dark
        before = self._night
        self._night = figures.colour < (DAY_COLOUR if before else NIGHT_COLOUR)
        return before is not None and before != self._night

    def _is_touring(self) -> bool:
        """Whether the camera turns by itself."""
        oldest = self._returns[0] if len(self._returns) == RETURNS else -ACCEPTED_LOOKS
        return self._looks - oldest < ACCEPTED_LOOKS

    def _faults_in(self, figures: PictureMetrics) -> frozenset[Reason]:
        """Return what this one look says."""
        nothing = figures.flat >= COVERED_FLAT or (self.reference and _is_elsewhere(figures))
        black = _is_dark(figures) and nothing
        same = figures.digest == self._digest
        frozen = {Reason.PICTURE_FROZEN} if same and not black else set()
        return frozenset(
            frozen | ({Reason.PICTURE_BLACK} if black else self._faults_by_comparison(figures))
        )

    def _faults_by_comparison(self, figures: PictureMetrics) -> set[Reason]:
        """Return what this one look says beside earlier ones."""
        if _is_dark(figures):
            return set()
        if _is_covered(figures):
            return {Reason.PICTURE_COVERED}
        if self._is_touring():
            return set()
        if self.reference and _is_elsewhere(figures):  # how sharp that is says nothing
            return {Reason.PICTURE_MOVED}
        if self._is_blurred(figures):
            return {Reason.PICTURE_BLURRED}
        return {Reason.PICTURE_MOVED} if self.reference and _is_shifted(figures) else set()

    def _is_blurred(self, figures: PictureMetrics) -> bool:
        if len(self._sharpness) < SHARP_LOOKS:
            return False
        return figures.sharpness < BLURRED_PART * statistics.median(self._sharpness)

    def _count(self, seen: frozenset[Reason]) -> None:
        doubts = set(self.suspected_faults)
        for reason in {*seen, *self._votes}:
            votes = self._votes.get(reason, 0)
            votes = max(votes, 0) + 1 if reason in seen else min(votes, 0) - 1
            self._votes[reason] = votes
            if votes >= (RAISE_FROZEN if reason is Reason.PICTURE_FROZEN else RAISE):
                doubts.add(reason)
            elif votes <= -LOWER:
                doubts.discard(reason)
                del self._votes[reason]
        if Reason.PICTURE_MOVED in self.suspected_faults - doubts:
            self._returns.append(self._looks)
        self.suspected_faults = frozenset(doubts)

    def _remember(self, look: PictureAnalysis, seen: frozenset[Reason]) -> None:
        """Learn from a look that nothing is wrong with."""
        self._moved_looks = self._moved_looks + 1 if Reason.PICTURE_MOVED in seen else 0
        if self._moved_looks >= ACCEPTED_LOOKS:
            self._relearn()
        if seen - {Reason.PICTURE_FROZEN} or _is_dark(look.metrics):
            return
        self.reference = look.next_reference if self.reference else look.thumbnail
        self._sharpness.append(look.metrics.sharpness)

    def _relearn(self) -> None:
        self.reference = b""
        self._sharpness.clear()
        self._votes.clear()
        self._moved_looks = 0
        self.suspected_faults = frozenset()


def _is_dark(figures: PictureMetrics) -> bool:
    return figures.bright < DARK_BRIGHT


def _is_covered(figures: PictureMetrics) -> bool:
    return figures.flat >= COVERED_FLAT or figures.lost >= COVERED_LOST


def _is_elsewhere(figures: PictureMetrics) -> bool:
    return max(figures.likeness, figures.aligned) < MOVED_LIKENESS


def _is_shifted(figures: PictureMetrics) -> bool:
    shift = max(abs(figures.shift_x), abs(figures.shift_y))
    better = figures.aligned - figures.likeness
    return shift >= SHIFTED and figures.aligned >= ALIGNED and better >= BETTER
