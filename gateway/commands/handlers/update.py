"""``update``: has a release fetched and installed; ``up/update/reported`` says what comes of it."""

from __future__ import annotations

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
from gateway.mqtt.payloads.config import Digest
from gateway.updates.bundle import BUNDLE_BYTES, VERSION
from gateway.updates.wanted import WantedRelease

TTL_S = 3600
"""A gateway that is away for longer gets the next one: sessions at the broker last an hour."""


class UpdateArgs(Args):
    """Which release, and where its bundle is.

    Attributes:
        version: As in its manifest.
        url: HTTPS, at a host that the settings of this machine name.
        sha256: Of the bundle.
        bytes: Of the bundle.
        downgrade: Whether it may be older than what runs; below the lowest version that may be
            installed nothing is.
    """

    version: Annotated[str, Field(pattern=f"^{VERSION}$", max_length=64)]
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    sha256: Digest
    bytes: Annotated[int, Field(ge=1, le=BUNDLE_BYTES)]
    downgrade: bool = False


def is_available(settings: Settings) -> bool:
    """Return whether the settings say from where releases may come."""
    return bool(settings.updates.hosts)


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""
    updates = dependencies.updates

    def plan(args: UpdateArgs) -> Facts:
        reason = updates.refusal(_wanted(args, "plan"))
        return {"version": args.version, "refused": None if reason is None else reason.value}

    async def run(args: UpdateArgs, context: CommandContext) -> Outcome:
        wanted = _wanted(args, context.request.id)
        reason = updates.refusal(wanted)
        if reason is not None:
            return failed(reason.value, version=args.version)
        await updates.order(wanted)
        return Outcome(result={"version": args.version, "st": "downloading"})

    return CommandHandler(plan, run)


def _wanted(args: UpdateArgs, command_id: str) -> WantedRelease:
    return WantedRelease(id=command_id, **args.model_dump())
