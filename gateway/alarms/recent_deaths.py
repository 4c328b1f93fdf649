"""Children of the gateway that die again and again: what they do is missing meanwhile."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict

from gateway.alarms.catalogue import PROGRAM_CHILD
from gateway.model.alarm import Argument, Finding
from gateway.model.health import ChildDeaths
from gateway.model.reasons import Reason

WITHIN_S, DEATHS = 600.0, 3
"""So many deaths of one kind of child within this time are told; fewer are in health only."""

_CHILDREN = {
    "transcoder_deaths": "transcoder",
    "slate_deaths": "slates",
    "decoder_deaths": "decoder",
}


class RecentDeaths:
    """Remembers the deaths of the last `WITHIN_S`; `DEATHS` of each kind of child are enough."""

    def __init__(self) -> None:
        self._before: dict[str, int] | None = None
        self._deaths_s: dict[str, deque[float]] = {each: deque(maxlen=64) for each in _CHILDREN}

    def finding(self, deaths: ChildDeaths, now_s: float) -> Finding:
        """Return whether children die again and again.

        Args:
            deaths: Since the gateway started. What died before the first call does not count.
            now_s: Monotonic.
        """
        counts = asdict(deaths)
        before, self._before = self._before or counts, counts
        recent = Counter[str]()
        for field, died_s in self._deaths_s.items():
            died_s.extend([now_s] * min(counts[field] - before[field], DEATHS * 4))
            while died_s and now_s - died_s[0] >= WITHIN_S:
                died_s.popleft()
            recent[_CHILDREN[field]] = len(died_s)
        child, count = recent.most_common(1)[0]
        bad = count >= DEATHS
        said: dict[str, Argument] = {"child": child, "count": count} if bad else {}
        return PROGRAM_CHILD.finding(bad, Reason.INTERNAL_ERROR, said)
