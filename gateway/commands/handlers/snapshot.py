"""``snapshot``: one still picture of a camera, in the reply or uploaded by HTTPS."""

from __future__ import annotations

import base64
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

JPEG_BYTES = 49_152
"""Largest picture in a reply; in base64 and packed it just fits a message."""

SMALLEST_WIDTH = 160
"""In pixels; a picture that does not fit a reply is made no smaller than this."""


class SnapshotArgs(Args):
    """What picture is wanted.

    Attributes:
        width: In pixels, at most; never larger than the camera's own.
        put_url: Where it is to be put; left out: into the answer.
    """

    camera: Annotated[CameraId, Field(alias="cam")]
    width: Annotated[int, Field(ge=64, le=3840)] = 640
    put_url: Annotated[str, Field(max_length=2048)] | None = None


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""

    def plan(args: SnapshotArgs) -> Facts:
        dependencies.require_enabled_camera(args.camera)
        facts: dict[str, object] = {"cam": args.camera, "width": args.width}
        if args.put_url is not None:
            facts["host"] = dependencies.upload.parse_url(args.put_url).host
        return facts

    async def run(args: SnapshotArgs, _: CommandContext) -> Outcome:
        width = args.width
        jpeg = await dependencies.take_snapshot(args.camera, width)
        if args.put_url is not None:
            return await _upload(args.put_url, jpeg)
        while len(jpeg) > JPEG_BYTES and width > SMALLEST_WIDTH:
            width //= 2
            jpeg = await dependencies.take_snapshot(args.camera, width)
        if len(jpeg) > JPEG_BYTES:
            return failed("too_large", bytes=len(jpeg))
        text = base64.b64encode(jpeg).decode()
        return Outcome(result={"jpeg": text, "bytes": len(jpeg), "width": width})

    async def _upload(url: str, jpeg: bytes) -> Outcome:
        status = await dependencies.upload.put(url, jpeg, "image/jpeg")
        facts = {"bytes": len(jpeg), "status": status}
        return Outcome(result=facts) if 200 <= status < 300 else failed("upload", **facts)

    return CommandHandler(plan, run)
