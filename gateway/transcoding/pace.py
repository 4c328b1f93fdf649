"""What a child does with each unit, so that it never falls behind for long. Pure.

A child that is late first leaves out encoding; one that is `DROP_S` late throws away all up to the
next keyframe and from then on encodes one picture of two, of four. After a while without being late
it tries the full rate again; if that was too early it waits twice as long the next time.
"""

from __future__ import annotations

from enum import Enum

SKIP_S = 0.25
"""So late, a picture is decoded and not encoded. To leave out more, until it is no longer late,
cost half of all pictures on a busy machine and made those that came no earlier."""
LEAST_OF = 5
"""While that lasts one picture of so many is encoded all the same: a child that never catches up
shows something, too."""
DROP_S = 1.0
"""So late, all is dropped up to the next keyframe."""
CATCH_UP_S = 4.0
"""What the units may be late that came while the cached GOP was being decoded."""
MAX_DIVISOR = 4
RETRY_S, LONGEST_RETRY_S = 30.0, 600.0
"""Between two tries of the full rate: the first, and the longest."""
_TOLERANCE = 0.4
"""Of the distance of two pictures: cameras' times are not exact."""


class Verdict(Enum):
    """What to do with a unit."""

    DROP = "drop"
    DECODE = "decode"
    ENCODE = "encode"


class Pace:
    """Decides for one child.

    Args:
        fps: Most pictures to encode per second of the camera's time.

    Attributes:
        divisor: One picture of so many is encoded.
        dropped: Units thrown away.
    """

    def __init__(self, fps: float) -> None:
        self._step_90k = 90_000 / fps
        self._catching_up = True
        self._dropping = False
        self._skipped = 0
        self._begun = False
        self._late_at_s = 0.0
        self._retry_s = RETRY_S
        self._retried_at_s: float | None = None
        self._due_90k = float("-inf")
        self.divisor = 1
        self.dropped = 0

    def judge(self, *, keyframe: bool, cached: bool, late_s: float, now_s: float) -> Verdict:
        """Return what to do with the next unit.

        Args:
            keyframe: Whether a decoder can start at it.
            cached: Whether it comes from the cached GOP.
            late_s: How long ago it came.
            now_s: On the monotonic clock.
        """
        if cached:
            self._catching_up, self._dropping = True, False
            return Verdict.DECODE if self._begun else Verdict.ENCODE
        if late_s > (CATCH_UP_S if self._catching_up else DROP_S):
            self._fall_behind(now_s)
        elif late_s <= SKIP_S:
            self._catching_up = False
            self._recover(now_s)
        if self._dropping and not (keyframe and late_s <= DROP_S):
            self.dropped += 1
            return Verdict.DROP
        self._dropping = False
        return self._judge_late(late_s)

    def _judge_late(self, late_s: float) -> Verdict:
        late = late_s > SKIP_S
        self._skipped = (self._skipped + 1) % LEAST_OF if late else 0
        skip = self._begun and late and self._skipped > 0
        return Verdict.DECODE if skip else Verdict.ENCODE

    def is_due(self, time_90k: int) -> bool:
        """Return whether the decoded picture of *time_90k* is to be encoded, by the frame rate.

        Called once for each picture that may be, in the order in which they are shown.
        """
        step_90k = self._step_90k * self.divisor
        ahead_90k = time_90k - self._due_90k
        if not -2 * step_90k <= ahead_90k < step_90k:
            self._due_90k = time_90k  # no debt and no credit across a gap
        elif ahead_90k < -_TOLERANCE * self._step_90k:
            return False
        self._due_90k += step_90k
        self._begun = True
        return True

    def _fall_behind(self, now_s: float) -> None:
        if self._dropping:
            self._late_at_s = now_s
            return
        self._dropping, self._catching_up = True, False
        if self._retried_at_s is not None and now_s - self._retried_at_s < self._retry_s:
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        self._retried_at_s = None
        self._late_at_s = now_s
        self.divisor = min(2 * self.divisor, MAX_DIVISOR)

    def _recover(self, now_s: float) -> None:
        if self.divisor > 1 and now_s - self._late_at_s >= self._retry_s:
            self.divisor //= 2
            self._late_at_s = self._retried_at_s = now_s
