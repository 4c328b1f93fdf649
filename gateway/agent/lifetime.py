"""From the first breath to the last: runs the gateway until a signal says stop, within a deadline.

SIGTERM and SIGINT cancel the one coroutine that everything hangs on; what it does then (leave the
cameras in good order, say that we are offline) has `LONGEST_STOP_S`. Whoever hangs longer is a
bug, and is left behind rather than waited for.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine

import structlog

LONGEST_STOP_S = 4.5
"""Half a second less than the five that a stop may take."""

OVERDUE = 1
"""Exit code of a gateway that had to be left behind."""

log = structlog.get_logger(__name__)


def run_until_told(main: Coroutine[None, None, None]) -> None:
    """Run *main* until it returns, or SIGTERM or SIGINT cancels it.

    Raises:
        Exception: What *main* raises, also out of the groups of its task groups if it is alone.
    """
    try:
        asyncio.run(_until_told(main))
    except BaseExceptionGroup as group:
        raise _alone(group) from group


async def _until_told(main: Coroutine[None, None, None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    told: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not told:
            told.append(number)
            log.info("stopping", signal=number.name)
            loop.call_later(LONGEST_STOP_S, _leave_behind)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        await main
    except asyncio.CancelledError:
        if not told:
            raise
    log.info("stopped")


def _leave_behind() -> None:
    tasks = sorted(task.get_name() for task in asyncio.all_tasks())
    log.critical("stop_overdue", after_s=LONGEST_STOP_S, tasks=tasks)
    os._exit(OVERDUE)


def _alone(error: BaseException) -> BaseException:
    """Return the one error in nested groups; the outermost group if there are several."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        if len(inner.exceptions) != 1:
            return error
        (inner,) = inner.exceptions
    return inner
