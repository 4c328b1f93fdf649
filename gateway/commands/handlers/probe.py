"""``probe``: finds out step by step what is wrong with a camera, or with any host."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.cameras.probe import Step
from gateway.commands.command import (
    CommandContext,
    CommandDependencies,
    CommandHandler,
    Facts,
    Outcome,
    failed,
)
from gateway.model.names import CameraId
from gateway.mqtt.payloads.command import Args

STEPS = 16
"""Of a whole probe, for its progress."""


class ProbeArgs(Args):
    """What to look at: a camera of the site as it is configured, or any host in its networks.

    Attributes:
        host: ``host`` or ``host:port``; no login is tried.
    """

    camera: Annotated[CameraId | None, Field(alias="cam")] = None
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{1,253}$")] | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.camera is None) == (self.host is None):
            raise PydanticCustomError("either", "give cam or host, and not both")
        return self


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""

    def plan(args: ProbeArgs) -> Facts:
        if args.camera is None:
            return {"host": args.host}
        dependencies.require_camera(args.camera)
        return {"cam": args.camera}

    async def run(args: ProbeArgs, context: CommandContext) -> Outcome:
        target = args.host if args.camera is None else dependencies.find_camera(args.camera)
        if target is None:
            return failed("not_found")
        facts: list[Facts] = []
        async with aclosing(dependencies.probe(target)) as steps:
            async for step in steps:
                facts.append(_facts_of(step))
                context.report_progress(min(99, len(facts) * 100 // STEPS), {"step": step.name})
        return Outcome(result={"ok": all(each["ok"] for each in facts), "steps": facts})

    return CommandHandler(plan, run)


def _facts_of(step: Step) -> Facts:
    return {
        "step": step.name,
        "ok": step.ok,
        "why": step.reason.value,
        "ms": step.took_ms,
        "fact": step.fact,
    } | ({} if step.fault is None else {"code": step.fault.code})
