"""The one retry loop.

What may fail and come back (a camera, the broker) is a coroutine that runs once and raises;
`supervise` runs it again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import NoReturn, Protocol

import structlog

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.ports import Clock

LEAST_PAUSE_S = 1.0
"""A pause that is cut short lasts at least so long."""

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
    wake: Callable[[], Coroutine[None, None, None] | None] = lambda: None,
) -> NoReturn:
    """Await *run* again and again, pausing between failures.

    The pauses start over once a run has lasted `STEADY_S`, not as soon as it connects: a camera
    that accepts and drops us must not be hammered. The first failure of an outage is logged as a
    warning, the rest as information. A run that returns has ended without a reason and is
    treated as a failure.

    When what *wake* returns has ended, the pause ends early: somebody is waiting now. What the
    error itself asks for (`TransientError.pause_s`) is waited in any case, and at least
    `LEAST_PAUSE_S`.

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
        least_s = min(again_in_s, max(error.pause_s, LEAST_PAUSE_S))
        waiter = wake() if again_in_s > least_s else None
        if waiter is None:
            await clock.sleep(again_in_s)
        else:
            await _sleep_unless(waiter, clock, again_in_s, least_s, name)


async def _sleep_unless(
    waiter: Coroutine[None, None, None], clock: Clock, delay_s: float, least_s: float, name: str
) -> None:
    """Sleep for *delay_s*, or until *waiter* has ended, but at least for *least_s*."""
    began_s = clock.now()

    async def sleep() -> None:
        await clock.sleep(delay_s)

    async with asyncio.TaskGroup() as group:
        sleeping = group.create_task(sleep(), name=f"pause:{name}")
        waking = group.create_task(waiter, name=f"wake:{name}")
        await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        if not sleeping.done() and (rest_s := least_s - (clock.now() - began_s)) > 0:
            await clock.sleep(rest_s)
        sleeping.cancel()
        waking.cancel()
