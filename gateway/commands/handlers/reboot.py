"""``reboot``: restarts the machine. The gateway that comes up after it sends the reply."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from typing import Annotated

from pydantic import Field

from gateway.commands.command import (
    CommandContext,
    CommandDependencies,
    CommandHandler,
    Facts,
    Outcome,
    failed,
)
from gateway.config.settings import Settings
from gateway.mqtt.payloads.command import Args
from gateway.runtime.plain_text import printable

SHUTDOWN_S = 120.0
"""How long a machine may take to go down."""

DELAY_S = 3600
"""Longest delay that may be asked for."""

MOST_SAID = 500
"""Bytes of what the command says that are told."""

LIMIT_S = DELAY_S + 2 * SHUTDOWN_S


class RebootArgs(Args):
    """When.

    Attributes:
        delay_s: How long to wait before.
    """

    delay_s: Annotated[float, Field(ge=0, le=DELAY_S)] = 5.0


def is_available(settings: Settings) -> bool:
    """Return whether the settings say how this machine is restarted."""
    return bool(settings.commands.reboot)


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""
    clock = dependencies.clock

    def plan(args: RebootArgs) -> Facts:
        return {"delay_s": args.delay_s}

    async def run(args: RebootArgs, context: CommandContext) -> Outcome:
        context.report_progress(None, {"in_s": args.delay_s})
        await clock.sleep(args.delay_s)
        try:
            child = await asyncio.create_subprocess_exec(
                *dependencies.reboot, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
            )
        except OSError as error:
            return failed("reboot", detail=error.strerror or "cannot be started")
        assert child.stderr is not None
        try:
            said = await _beginning(child.stderr)
            status = await child.wait()
        finally:
            if child.returncode is None:
                child.terminate()
        if status != 0:
            detail = printable(said.decode(errors="replace").strip())
            return failed("reboot", status=status, detail=detail)
        await clock.sleep(SHUTDOWN_S)
        return failed("still_up")

    return CommandHandler(plan, run)


async def _beginning(stream: asyncio.StreamReader) -> bytes:
    """Read *stream* to its end; return the first `MOST_SAID` bytes."""
    said = b""
    while part := await stream.read(4096):
        said += part[: MOST_SAID - len(said)]
    return said
