"""``stream.restart``: closes a camera's RTSP sessions and opens new ones."""

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
from gateway.model.names import CameraId
from gateway.mqtt.payloads.command import Args


class RestartArgs(Args):
    camera: Annotated[CameraId, Field(alias="cam")]


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""

    def plan(args: RestartArgs) -> Facts:
        dependencies.require_enabled_camera(args.camera)
        return {"cam": args.camera, "viewers": dependencies.viewers(args.camera)}

    async def run(args: RestartArgs, context: CommandContext) -> Outcome:
        interrupted = dependencies.viewers(args.camera)
        context.report_progress(None, {"viewers": interrupted})
        if not dependencies.restart(args.camera):  # the configuration has just lost it
            return failed("not_found")
        return Outcome(result={"viewers": interrupted})

    return CommandHandler(plan, run)
