"""The one retry loop.

What may fail and come back (a camera, the broker) is a coroutine that runs once and raises;
`supervise` runs it again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import NoReturn, Protocol

import structlog

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.ports import Clock

STEADY_S = 60.0
"""A run that lasted this long was healthy: the delays start over."""

log = structlog.get_logger(__name__)


class SupervisorObserver(Protocol):
    """Is told of each failed run."""

    def on_failure(self, error: TransientError, again_in_s: float) -> None:
        """A run has ended with *error*; the next begins in *again_in_s* seconds."""
        ...


def backoff(
    first: float = 2.0, factor: float = 2.0, early_ceiling: float = 6.0, ceiling: float = 60.0
) -> Iterator[float]:
    """Yield delays in seconds: growing by *factor* to *ceiling*, each ±20 % at random.

    For the first minute they are held at *held*: a camera that restarts takes less than that,
    and shall be back on the screen within 12 s. What is gone for longer is tried more rarely.
    """
    delay, spent = first, 0.0
    while True:
        limit = early_ceiling if spent < STEADY_S else ceiling
        delay = min(delay, limit)
        spent += delay
        yield delay * random.uniform(0.8, 1.2)
        delay *= factor


async def supervise(
    run: Callable[[], Awaitable[None]],
    *,
    name: str,
    clock: Clock,
    observer: SupervisorObserver | None = None,
    delays: Callable[[], Iterator[float]] = backoff,
) -> NoReturn:
    """Await *run* again and again, pausing between failures.

    The pauses start over once a run has lasted `STEADY_S`, not as soon as it connects: a camera
    that accepts and drops us must not be hammered. The first failure of an outage is logged as a
    warning, the rest as information. A run that returns has ended without a reason and is
    treated as a failure.

    Raises:
        PermanentError: As raised by *run*; waiting would not help.
        Exception: Anything else is a bug, and is not caught here.
    """
    schedule, tell = delays(), log.warning
    while True:
        started_s = clock.now()
        try:
            await run()
        except TransientError as caught:
            error = caught
        else:
            error = TransientError(Reason.STALLED, "ended without a reason")
        if clock.now() - started_s >= STEADY_S:
            schedule, tell = delays(), log.warning
        again_in_s = min(max(next(schedule), error.pause_s), error.longest_s)
        if observer is not None:
            observer.on_failure(error, again_in_s)
        tell(
            "component_failed",
            name=name,
            reason=error.reason,
            detail=error.detail,
            again_in_s=round(again_in_s, 1),
        )
        tell = log.info
        await clock.sleep(again_in_s)
