"""The console as a service: starts it, tells systemd, and says why it cannot be started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.console.server import Console
from gateway.console.settings import Settings, load
from gateway.model.errors import ConfigRejected, Fault, TransientError
from gateway.ports import Clock
from gateway.runtime.clock import SystemClock
from gateway.runtime.logging import plain_processor
from gateway.runtime.plain_text import printable
from gateway.runtime.redact import Redactor
from gateway.runtime.systemd import SystemdNotifier

WRONG, NOT_YET = 2, 1
"""Exit codes: the settings are wrong; the centre's database does not answer."""

PAUSE_S = 10.0
"""So long a service that cannot serve waits before it ends and is started again."""


def run(path: Path | None, *, clock: Clock | None = None) -> int:
    """Run with the settings *path* until SIGINT or SIGTERM; return 0, or `WRONG` or `NOT_YET`.

    Args:
        path: TOML; None: everything stands in the environment.
        clock: Monotonic; of the pause before it ends under systemd. None: the system's.
    """
    pause = clock or SystemClock()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            plain_processor(Redactor()),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(load(path)))
    except ConfigRejected as error:
        return refuse(pause, WRONG, map(str, error.faults))
    except TransientError as error:
        return refuse(pause, NOT_YET, [str(error)])
    except ExceptionGroup as group:
        rejected, bugs = group.split(ConfigRejected)
        if rejected is None or bugs is not None:
            raise
        return refuse(pause, WRONG, map(str, _faults_in(rejected)))
    return 0


def _faults_in(rejected: ExceptionGroup[ConfigRejected]) -> Iterator[Fault]:
    for each in rejected.exceptions:
        if isinstance(each, ExceptionGroup):
            yield from _faults_in(each)
        else:
            yield from each.faults


def refuse(clock: Clock, code: int, lines: Iterable[str]) -> int:
    """Say what is wrong; under systemd there too, then wait: it is not to be read again at once."""
    said = [printable(each) for each in lines]
    sys.stderr.writelines(f"{each}\n" for each in said)
    systemd = SystemdNotifier(os.environ, clock=clock)
    if systemd.listens:
        systemd.status(f"không chạy được / cannot serve: {said[0]}")
        asyncio.run(clock.sleep(PAUSE_S))
    return code


async def _serve(settings: Settings) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    clock = SystemClock()
    console = Console(settings, clock=clock)
    systemd = SystemdNotifier(os.environ, clock=clock, status=console.status)
    serving = asyncio.Event()

    def ready(url: str) -> None:
        _print_ready(url, console.enrolment_url)
        serving.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(console.run(ready), name="console")
        await serving.wait()
        await systemd.run()


def _print_ready(url: str, enrolment_url: str | None) -> None:
    """Print one line of JSON to standard output, for whoever started this process."""
    line = {"ready": True, "url": url} | ({"enrolment": enrolment_url} if enrolment_url else {})
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
