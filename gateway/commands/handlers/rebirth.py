"""``rebirth``: publishes retained sections again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.commands.command import (
    CommandContext,
    CommandDependencies,
    CommandHandler,
    Facts,
    Outcome,
)
from gateway.mqtt.payloads.command import Args, Sections
from gateway.runtime.spread import phase_s


class RebirthArgs(Args):
    """What is to be told again.

    Attributes:
        sections: Which.
        spread_s: Over how long gateways that are asked together spread it.
    """

    sections: Sections = ("presence", "birth")
    spread_s: Annotated[float, Field(ge=0, le=300)] = 0.0


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""
    gateway = dependencies.topics.gateway

    def plan(args: RebirthArgs) -> Facts:
        return {"sections": args.sections, "in_s": phase_s(gateway, args.spread_s)}

    async def run(args: RebirthArgs, _: CommandContext) -> Outcome:
        await dependencies.clock.sleep(phase_s(gateway, args.spread_s))
        dependencies.resend(args.sections)
        return Outcome(result={"sections": args.sections})

    return CommandHandler(plan, run)
