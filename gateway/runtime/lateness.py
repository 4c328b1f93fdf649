"""Holds our own lateness against nobody else.

Whoever is silent is given up after some time. While our event loop is late (the machine is busy,
the process was stopped) nobody is heard: what they have sent lies in the kernel, or was dropped
there because nobody has read it. So silence is added up over looks that came when they were
planned; a look that is late counts for next to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

LATE_S = 0.5
"""A look that comes this much later than planned is late. `SystemClock.sleep` takes up to half of
it on purpose."""

LATE_COUNTS = 0.25
"""Share of its planned time for which a late look counts: whoever says nothing at a machine that is
always late is given up as well, four times as late."""

LAST_S, LAST_STEP_S = 1.0, 0.25
"""The last second of a time limit is looked at in steps: four turns in which what was late is read
before anybody is given up."""

LEAST_STEP_S = 0.05
"""No step is shorter, or late ones would never come to an end."""


class Silence:
    """For how long somebody was not heard, of the time in which we would have heard them.

    Args:
        now: Returns the monotonic clock.
        since_s: When they were heard last; None: now.

    Attributes:
        late_s: By how much the newest look was late; 0: it was not.
    """

    def __init__(self, now: Callable[[], float], since_s: float | None = None) -> None:
        self._now = now
        self._looked_s = now()
        self._silent_s = 0.0 if since_s is None else self._looked_s - since_s
        self.late_s = 0.0

    def look(self, heard_s: float, *, after_s: float, unheard: bool = False) -> float:
        """Return for how many seconds nothing was heard.

        Args:
            heard_s: When they were heard last, on the clock of *now*.
            after_s: How long after the look before, or after the beginning, this one was planned.
            unheard: They could not be heard since the look before, whoever was late.
        """
        now_s = self._now()
        elapsed_s = now_s - self._looked_s
        late_s = elapsed_s - after_s
        self.late_s = late_s if late_s > LATE_S else 0.0
        since_s = elapsed_s
        if heard_s >= self._looked_s:
            since_s, self._silent_s = now_s - heard_s, 0.0
        if not unheard:
            self._silent_s += min(since_s, after_s * LATE_COUNTS) if self.late_s else since_s
        self._looked_s = now_s
        return self._silent_s


def next_look_s(left_s: float) -> float:
    """Return when to look again at a time limit of which *left_s* is left."""
    if left_s > LAST_S + LAST_STEP_S:
        return left_s - LAST_S
    return min(max(left_s, LEAST_STEP_S), LAST_STEP_S)


@asynccontextmanager
async def time_limit(limit_s: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, by the time for which our loop was not late.

    Raises:
        TimeoutError: *limit_s* is over.
    """
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    silence = Silence(loop.time)
    timer: asyncio.TimerHandle | None = None

    async with asyncio.timeout(None) as limit:

        def plan(left_s: float) -> None:
            nonlocal timer
            planned_s = next_look_s(left_s)
            timer = loop.call_later(planned_s, look, planned_s)

        def look(planned_s: float) -> None:
            left_s = limit_s - silence.look(begun_s, after_s=planned_s)
            if left_s > 1e-3:
                plan(left_s)
            else:
                limit.reschedule(loop.time())

        plan(limit_s)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
