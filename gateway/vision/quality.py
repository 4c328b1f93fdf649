"""Detects faults of a camera's picture: black, frozen, repeated, blurred, covered, moved, corrupt.

One check proves nothing: a truck passes, a lamp goes out. A fault is suspected after `RAISE` checks
in a row that show it, and no longer after `LOWER` that do not. When a camera switches to infrared
or back, its references are learnt again. A camera that keeps coming back to its view is taken for
one that turns by itself. Pure, apart from its own state; only a thumbnail is kept of a picture.
"""

from __future__ import annotations

import statistics
from collections import deque

from gateway.model.reasons import Reason
from gateway.vision.interlace import InterlaceDetector
from gateway.vision.metrics import PictureAnalysis, PictureMetrics
from gateway.vision.repetition import RepetitionDetector

RAISE, LOWER = 3, 2
RAISE_FROZEN = 2
"""Three pictures equal in every pixel, over a minute: a live sensor never produces that."""

DARK_BRIGHT = 32.0
"""A picture is dark if 90 % of its luma is below this; black is 16. A dark picture that still shows
the usual view, such as a hall at night, counts neither as black nor is it compared."""

COVERED_FLAT = 0.95
"""A picture is covered if this share of it is flat ..."""

COVERED_LOST = 0.75
"""... or if this share of what the reference shows is flat now."""

SHARP_CHECKS = 10
"""Checks needed before the usual sharpness of a camera is known."""

BLURRED_PART = 0.3
"""A picture is blurred below this part of the median sharpness."""

MOVED_LIKENESS = 0.25
"""Below this correlation of edges the picture shows another view."""

ALIGNED, BETTER, SHIFTED = 0.5, 0.05, 0.04
"""Correlation after the shift, gain by it, and the shift in picture widths, from which on the same
view has been shifted. A camera turned by a tenth of its view has half of its edges in place."""

NIGHT_COLOUR, DAY_COLOUR = 1.5, 3.0
"""Mean distance of chroma from grey below which a picture becomes infrared, and from which on it is
no longer. Two values, since a pale hall lies between them and would else switch at each check."""

ACCEPTED_CHECKS = 2880
"""After so many checks, a day at one every 30 s, a moved view becomes the reference."""

RETURNS = 3
"""A camera that returns so often within `ACCEPTED_CHECKS` checks turns by itself (PTZ)."""


class PictureQuality:
    """Judges the pictures of one camera over time.

    Attributes:
        suspected_faults: Faults suspected now.
        reference: Thumbnail to compare the next picture with; empty if there is none.
    """

    def __init__(self) -> None:
        self.suspected_faults: frozenset[Reason] = frozenset()
        self.reference = b""
        self._sharpness: deque[float] = deque(maxlen=60)
        self._digest = b""
        self._interlace = InterlaceDetector()
        self._repetition = RepetitionDetector()
        self._night: bool | None = None
        self._votes: dict[Reason, int] = {}
        self._moved_checks = 0
        self._checks = 0
        self._returns: deque[int] = deque(maxlen=RETURNS)

    def update(self, analysis: PictureAnalysis) -> frozenset[Reason]:
        """Add the next picture, analysed with `reference`; return the suspected faults."""
        metrics = analysis.metrics
        seen: frozenset[Reason] = frozenset()
        self._checks += 1
        self._interlace.add(metrics.combed)
        if self._has_switched_infrared(metrics):
            self._relearn()
        else:
            seen = self._faults_in(metrics)
            self._count(seen)
        self._digest = metrics.digest
        self._remember(analysis, seen)
        self._look_for_repetition(metrics)
        return self.suspected_faults

    @property
    def interlaced(self) -> bool | None:
        """Whether its pictures are two fields each, whatever the stream says; None: not known."""
        return self._interlace.interlaced

    def _look_for_repetition(self, metrics: PictureMetrics) -> None:
        """Suspect a loop, which is then not frozen: its pictures may be looked at in its step."""
        if not _is_covered(metrics):  # a plain picture comes again as it is: "no signal"
            self._repetition.add(metrics.digest, metrics.grain)
        loop = {Reason.PICTURE_LOOP}
        if self._repetition.looping:
            self.suspected_faults = self.suspected_faults - {Reason.PICTURE_FROZEN} | loop
        else:
            self.suspected_faults -= loop

    def update_undecodable(self) -> frozenset[Reason]:
        """Add a picture that could not be decoded; return the suspected faults."""
        self._count(frozenset({Reason.CORRUPT}))
        return self.suspected_faults

    def _has_switched_infrared(self, metrics: PictureMetrics) -> bool:
        """Return whether the camera has switched to infrared or back since the last check."""
        if _is_dark(metrics) or _is_covered(metrics):
            return False  # covered or dark pictures are as grey as infrared ones
        before = self._night
        self._night = metrics.colour < (DAY_COLOUR if before else NIGHT_COLOUR)
        return before is not None and before != self._night

    def _is_touring(self) -> bool:
        """Return whether the camera turns by itself."""
        oldest = self._returns[0] if len(self._returns) == RETURNS else -ACCEPTED_CHECKS
        return self._checks - oldest < ACCEPTED_CHECKS

    def _faults_in(self, metrics: PictureMetrics) -> frozenset[Reason]:
        """Return the faults that this one picture shows."""
        nothing = metrics.flat >= COVERED_FLAT or (self.reference and _is_elsewhere(metrics))
        black = _is_dark(metrics) and nothing
        same = metrics.digest == self._digest
        frozen = {Reason.PICTURE_FROZEN} if same and not black else set()
        return frozenset(
            frozen | ({Reason.PICTURE_BLACK} if black else self._faults_by_comparison(metrics))
        )

    def _faults_by_comparison(self, metrics: PictureMetrics) -> set[Reason]:
        """Return the faults seen by comparison with earlier pictures."""
        if _is_dark(metrics):
            return set()
        if _is_covered(metrics):
            return {Reason.PICTURE_COVERED}
        if self._is_touring():
            return set()
        if self.reference and _is_elsewhere(metrics):  # another view has another sharpness
            return {Reason.PICTURE_MOVED}
        if self._is_blurred(metrics):
            return {Reason.PICTURE_BLURRED}
        return {Reason.PICTURE_MOVED} if self.reference and _is_shifted(metrics) else set()

    def _is_blurred(self, metrics: PictureMetrics) -> bool:
        if len(self._sharpness) < SHARP_CHECKS:
            return False
        return metrics.sharpness < BLURRED_PART * statistics.median(self._sharpness)

    def _count(self, seen: frozenset[Reason]) -> None:
        suspected = set(self.suspected_faults)
        for reason in {*seen, *self._votes}:
            votes = self._votes.get(reason, 0)
            votes = max(votes, 0) + 1 if reason in seen else min(votes, 0) - 1
            self._votes[reason] = votes
            if votes >= (RAISE_FROZEN if reason is Reason.PICTURE_FROZEN else RAISE):
                suspected.add(reason)
            elif votes <= -LOWER:
                suspected.discard(reason)
                del self._votes[reason]
        if Reason.PICTURE_MOVED in self.suspected_faults - suspected:
            self._returns.append(self._checks)
        self.suspected_faults = frozenset(suspected)

    def _remember(self, analysis: PictureAnalysis, seen: frozenset[Reason]) -> None:
        """Learn reference and sharpness from a picture without faults."""
        self._moved_checks = self._moved_checks + 1 if Reason.PICTURE_MOVED in seen else 0
        if self._moved_checks >= ACCEPTED_CHECKS:
            self._relearn()
        if seen - {Reason.PICTURE_FROZEN} or _is_dark(analysis.metrics):
            return
        self.reference = analysis.next_reference if self.reference else analysis.thumbnail
        self._sharpness.append(analysis.metrics.sharpness)

    def _relearn(self) -> None:
        self.reference = b""
        self._sharpness.clear()
        self._votes.clear()
        self._moved_checks = 0
        self.suspected_faults = frozenset()


def is_black(metrics: PictureMetrics) -> bool:
    """Return whether one picture, compared with nothing, is black: dark, and nothing in it."""
    return _is_dark(metrics) and metrics.flat >= COVERED_FLAT


def _is_dark(metrics: PictureMetrics) -> bool:
    return metrics.bright < DARK_BRIGHT


def _is_covered(metrics: PictureMetrics) -> bool:
    return metrics.flat >= COVERED_FLAT or metrics.lost >= COVERED_LOST


def _is_elsewhere(metrics: PictureMetrics) -> bool:
    return max(metrics.likeness, metrics.aligned) < MOVED_LIKENESS


def _is_shifted(metrics: PictureMetrics) -> bool:
    shift = max(abs(metrics.shift_x), abs(metrics.shift_y))
    better = metrics.aligned - metrics.likeness
    return shift >= SHIFTED and metrics.aligned >= ALIGNED and better >= BETTER
