"""Running what the composition root has joined, and leaving it from the inside out.

Cameras and viewers end first, so that every session is torn down and every viewer told; then the
link to the centre, so that it can say that we are offline; the outbox last.

From the first breath to the last: runs the gateway until a signal says stop, within a deadline.

SIGTERM and SIGINT cancel the one coroutine that everything hangs on; what it does then (leave the
cameras in good order, say that we are offline) has `LONGEST_STOP_S`. Whoever hangs longer is a
bug, and is left behind rather than waited for.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterable

import structlog

from gateway.app.systemd import SystemdNotifier
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.client.failover import BrokerFailover, delays
from gateway.mqtt.outbox.outbox import Outbox
from gateway.ports import Clock
from gateway.runtime.supervise import supervise


async def run_components(
    outbox: Outbox,
    link: MqttClient,
    failover: BrokerFailover,
    clock: Clock,
    components: Iterable[Callable[[], Coroutine[None, None, None]]],
) -> None:
    """Run *components*, around them the link, around that the outbox: there before and after."""
    async with asyncio.TaskGroup() as outside:
        keeping = outside.create_task(outbox.run(), name="outbox")
        linking = outside.create_task(_linked(link, failover, clock), name="link")
        async with asyncio.TaskGroup() as inside:
            for run_component in (*components, SystemdNotifier(os.environ, clock=clock).run):
                name = run_component.__qualname__.split(".")[0].lower()
                inside.create_task(run_component(), name=name)
        linking.cancel()
        await asyncio.wait((linking,))
        keeping.cancel()


async def _linked(link: MqttClient, failover: BrokerFailover, clock: Clock) -> None:
    """Keep *link*; when it has to go to another broker, at once and not after a pause."""
    while True:
        failover.turned.clear()
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(
                supervise(link.run, name="broker", clock=clock, delays=delays), name="broker"
            )
            await failover.turned.wait()
            holding.cancel()


STOP_TIMEOUT_S = 4.5
"""Half a second less than the five that a stop may take."""

EXIT_OVERDUE = 1
"""Exit code of a gateway that had to be left behind."""

log = structlog.get_logger(__name__)


def run_until_signal(main: Coroutine[None, None, None]) -> None:
    """Run *main* until it returns, or SIGTERM or SIGINT cancels it.

    Raises:
        Exception: What *main* raises, also out of the groups of its task groups if it is alone.
    """
    try:
        asyncio.run(_run_main(main))
    except BaseExceptionGroup as group:
        raise unwrap_single(group) from group


async def _run_main(main: Coroutine[None, None, None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    told: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not told:
            told.append(number)
            log.info("stopping", signal=number.name)
            loop.call_later(STOP_TIMEOUT_S, _leave_behind)
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
    log.critical("stop_overdue", after_s=STOP_TIMEOUT_S, tasks=tasks)
    os._exit(EXIT_OVERDUE)


def unwrap_single(error: BaseException) -> BaseException:
    """Return the one error in nested groups; the outermost group if there are several."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        if len(inner.exceptions) != 1:
            return error
        (inner,) = inner.exceptions
    return inner
