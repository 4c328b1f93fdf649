"""Runs what the composition root has built, until SIGTERM or SIGINT.

The parts end from the inside out. Cameras and viewers end first: sessions are torn down, viewers
get a bye. Then the MQTT client, so that it can publish ``offline``. The outbox ends last. All this
has `STOP_TIMEOUT_S`; then the process exits with `EXIT_OVERDUE` and names in the log what still
runs, which is a bug.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import structlog

from gateway.app.status_socket import StatusSocket
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.client.failover import BrokerFailover, reconnect_delays
from gateway.mqtt.outbox.outbox import Outbox
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug
from gateway.runtime.status_query import HEALTH_BYTES, HEALTH_NAME
from gateway.runtime.supervise import supervise
from gateway.runtime.systemd import SystemdNotifier


async def run_components(
    outbox: Outbox,
    client: MqttClient,
    failover: BrokerFailover,
    clock: Clock,
    components: Iterable[Callable[[], Coroutine[None, None, None]]],
    *,
    audit: Callable[[], Coroutine[None, None, None]],
    status: Callable[[], str],
    health: Callable[[], str],
) -> None:
    """Run *components*; the MQTT client starts before and ends after them, the outbox around it.

    *audit* ends between the two, once the components have recorded how they end. *status* returns
    the line that systemd and ``camera-gateway health`` show, *health* that which the survey reads.
    """
    systemd = SystemdNotifier(os.environ, clock=clock, status=status)
    folder = os.environ.get("RUNTIME_DIRECTORY", "")
    asked = StatusSocket(folder, status=status)
    surveyed = StatusSocket(folder, status=health, name=HEALTH_NAME, most_bytes=HEALTH_BYTES)
    async with asyncio.TaskGroup() as outside:
        outbox_task = outside.create_task(outbox.run(), name="outbox")
        client_task = outside.create_task(_run_client(client, failover, clock), name="mqtt")
        audit_task = outside.create_task(audit(), name="audit")
        async with asyncio.TaskGroup() as inside:
            for run_component in (*components, asked.run, surveyed.run, systemd.run):
                name = run_component.__qualname__.split(".")[0].lower()
                inside.create_task(run_component(), name=name)
        for task in (audit_task, client_task):
            task.cancel()
            await asyncio.wait((task,))
        outbox_task.cancel()


async def _run_client(client: MqttClient, failover: BrokerFailover, clock: Clock) -> None:
    """Supervise *client*. When it has to use another broker it does so at once, without a pause."""
    while True:
        failover.switched.clear()
        async with asyncio.TaskGroup() as group:
            supervised = group.create_task(
                supervise(client.run, name="broker", clock=clock, delays=reconnect_delays),
                name="broker",
            )
            await failover.switched.wait()
            supervised.cancel()


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
    loop.set_exception_handler(_on_loop_error)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not received:
            received.append(number)
            log.info("stopping", signal=number.name)
            loop.call_later(STOP_TIMEOUT_S, _leave_behind)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        await main
    except asyncio.CancelledError:
        if not received:
            raise
    log.info("stopped")


def _on_loop_error(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Count what a callback of the loop has raised, or a task that nobody awaits."""
    error = context.get("exception")
    if isinstance(error, Exception):
        report_bug("loop", error, str(context.get("message", "")))
    else:
        log.error("loop_error", detail=str(context.get("message", ""))[:200])


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
