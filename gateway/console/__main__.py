"""Starts the console: ``python -m gateway.console --settings FILE``."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.console.server import Console
from gateway.console.settings import Settings, load
from gateway.model.errors import ConfigRejected
from gateway.runtime.clock import SystemClock
from gateway.runtime.logging import plain_processor
from gateway.runtime.plain_text import printable
from gateway.runtime.redact import Redactor


def main() -> int:
    """Run until SIGINT or SIGTERM; return the exit code: 0, or 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m gateway.console", description=__doc__)
    parser.add_argument("--settings", type=Path, help="TOML file; see docs/console.md")
    chosen = parser.parse_args()
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
        settings = load(chosen.settings)
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(settings))
    except ConfigRejected as error:
        sys.stderr.writelines(f"{printable(str(fault))}\n" for fault in error.faults)
        return 2
    return 0


async def _serve(settings: Settings) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    console = Console(settings, clock=SystemClock())
    await console.run(lambda url: _print_ready(url, console.enrolment_url))


def _print_ready(url: str, enrolment_url: str | None) -> None:
    """Print one line of JSON to standard output, for whoever started this process."""
    line = {"ready": True, "url": url} | ({"enrolment": enrolment_url} if enrolment_url else {})
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
