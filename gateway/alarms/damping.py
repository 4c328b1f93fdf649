"""The damping of one alarm: from single checks to raised, cleared and flapping. Pure.

Source of the flapping rule: Naemon and Nagios Core, "Detection and Handling of State Flapping":
state changes among the last 21 checks, the newest weighing 1.2, the oldest 0.8. Thresholds and
durations are ours (`gateway.model.alarm.Damping`).
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from gateway.model.alarm import Damping

OLDEST_WEIGHT, NEWEST_WEIGHT = 0.8, 1.2


class AlarmDamping:
    """The checks of one key so far.

    Attributes:
        raised: Whether the alarm is raised.
        flapping: Whether it comes and goes.
        changes: How often checks went from good to bad or back since flapping began.
        bad_since_s: When the first of the failed checks in a row was; None: the last was good.

    Args:
        damping: Its thresholds and durations.
        raised: Whether the alarm is raised already, from before a restart.
    """

    def __init__(self, damping: Damping, *, raised: bool = False) -> None:
        self._damping = damping
        self._history = deque([raised] * damping.flap_checks, damping.flap_checks)
        self._bad_checks = 0
        self._good_since_s: float | None = None
        self.bad_since_s: float | None = None
        self.raised = raised
        self.flapping = False
        self.changes = 0
        self._last_details: object = None
        self._confirmations = 0

    @property
    def calm(self) -> bool:
        """Whether it is not raised and no remembered check failed."""
        return not self.raised and not any(self._history)

    def confirms(self, details: object) -> bool:
        """Count one failed check with *details*; return whether as many as raise an alarm agree.

        Args:
            details: E.g. cause and severity; other ones begin the count anew.
        """
        self._confirmations = self._confirmations + 1 if details == self._last_details else 1
        self._last_details = details
        return self._confirmations >= self._damping.raise_checks

    def record_check(self, now_s: float, *, bad: bool, inhibited: bool = False) -> None:
        """Record one check.

        Args:
            now_s: Monotonic.
            bad: Whether it failed.
            inhibited: Whether another alarm explains it: nothing is raised then.
        """
        changed = bad != self._history[-1]
        self._history.append(bad)
        if bad:
            self._good_since_s = None
            self._bad_checks += 1
            if self.bad_since_s is None:
                self.bad_since_s = now_s
        else:
            self._bad_checks, self.bad_since_s = 0, None
            if self._good_since_s is None:
                self._good_since_s = now_s
        if inhibited and not self.raised:
            self._bad_checks, self.bad_since_s = 0, None  # what explains it may end before it
            return
        self._update_flapping(changed=changed)
        self._update_raised(now_s)

    def _update_raised(self, now_s: float) -> None:
        damping = self._damping
        if self.flapping:
            self.raised = True
        elif not self.raised and self.bad_since_s is not None:
            lasts_s = now_s - self.bad_since_s
            self.raised = self._bad_checks >= damping.raise_checks and lasts_s >= damping.raise_s
        elif self.raised and self._good_since_s is not None:
            self.raised = now_s - self._good_since_s < damping.clear_s

    def _update_flapping(self, *, changed: bool) -> None:
        percent = change_percent(tuple(self._history))
        if not self.flapping:
            self.flapping = percent > self._damping.flap_enter_percent
            self.changes = 0
        elif percent < self._damping.flap_leave_percent:
            self.flapping = False
        self.changes += self.flapping and changed


def change_percent(history: tuple[bool, ...]) -> float:
    """Return the weighted share of changes in *history*, oldest first, in percent."""
    pairs = list(pairwise(history))
    if not pairs:
        return 0.0
    step = (NEWEST_WEIGHT - OLDEST_WEIGHT) / max(1, len(pairs) - 1)
    weights = (OLDEST_WEIGHT + step * number for number in range(len(pairs)))
    changed = sum(
        weight for weight, (one, other) in zip(weights, pairs, strict=True) if one != other
    )
    return 100.0 * changed / len(pairs)
