"""Commands about one camera: begin it anew, one still picture, where its trouble lies."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.cameras.probe import Step
from gateway.commands.command import Command, CommandContext, Facts, Outcome, failed
from gateway.commands.https_put import HttpsPut
from gateway.model.errors import refuse
from gateway.model.names import CameraId
from gateway.model.site_document import CameraConfig
from gateway.mqtt.payloads.command import Args

JPEG_BYTES = 49_152
"""Largest picture in an answer; in base64 and packed it just fits a message."""

STEPS = 12
"""Of a whole probe, for its progress."""

Known = Callable[[str], CameraConfig | None]
"""Returns a camera of the site; None if there is none."""

Camera = Annotated[CameraId, Field(alias="cam")]


class RestartArgs(Args):
    camera: Camera


class SnapshotArgs(Args):
    """What picture is wanted.

    Attributes:
        width: In pixels, at most; never larger than the camera's own.
        put_url: Where it is to be put; left out: into the answer.
    """

    camera: Camera
    width: Annotated[int, Field(ge=64, le=3840)] = 640
    put_url: Annotated[str, Field(max_length=2048)] | None = None


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


def restart_command(
    known: Known, *, viewers: Callable[[str], int], restart: Callable[[str], bool]
) -> Command:
    """Return ``stream.restart``.

    Args:
        known: Finds a camera.
        viewers: Returns how many watch it.
        restart: Tears it down and begins it anew; False if that cannot be.
    """

    def plan(args: RestartArgs) -> Facts:
        _enabled(known, args.camera)
        return {"cam": args.camera, "viewers": viewers(args.camera)}

    async def run(args: RestartArgs, context: CommandContext) -> Outcome:
        interrupted = viewers(args.camera)
        context.tell(None, {"viewers": interrupted})
        if not restart(args.camera):  # gone from the configuration this very moment
            return failed("not_found")
        return Outcome(result={"viewers": interrupted})

    return Command(
        "stream.restart",
        RestartArgs,
        plan,
        run,
        ttl_s=30,
        limit_s=30,
        signed=True,
        disruptive=True,
        at_once=1,
    )


def snapshot_command(
    known: Known, *, take_snapshot: Callable[[str, int], Awaitable[bytes]], upload: HttpsPut
) -> Command:
    """Return ``snapshot``; *photograph* returns a JPEG of a camera so wide, or raises NoPicture."""

    def plan(args: SnapshotArgs) -> Facts:
        _enabled(known, args.camera)
        place = {} if args.put_url is None else {"host": upload.target(args.put_url).host}
        return {"cam": args.camera, "width": args.width, **place}

    async def run(args: SnapshotArgs, _: CommandContext) -> Outcome:
        jpeg, width = await take_snapshot(args.camera, args.width), args.width
        if args.put_url is not None:
            status = await upload.put(args.put_url, jpeg, "image/jpeg")
            facts = {"bytes": len(jpeg), "status": status}
            return Outcome(result=facts) if 200 <= status < 300 else failed("upload", **facts)
        while len(jpeg) > JPEG_BYTES and width > 160:
            width //= 2
            jpeg = await take_snapshot(args.camera, width)
        if len(jpeg) > JPEG_BYTES:
            return failed("too_large", bytes=len(jpeg))
        text = base64.b64encode(jpeg).decode()
        return Outcome(result={"jpeg": text, "bytes": len(jpeg), "width": width})

    return Command("snapshot", SnapshotArgs, plan, run, ttl_s=20, limit_s=20)


def probe_command(
    known: Known, *, look: Callable[[CameraConfig | str], AsyncGenerator[Step, None]]
) -> Command:
    """Return ``probe``; *look* probes a camera, or a host."""

    def plan(args: ProbeArgs) -> Facts:
        if args.camera is None:
            return {"host": args.host}
        _camera(known, args.camera)
        return {"cam": args.camera}

    async def run(args: ProbeArgs, context: CommandContext) -> Outcome:
        target = args.host if args.camera is None else known(args.camera)
        if target is None:
            return failed("not_found")
        steps: list[Facts] = []
        async with aclosing(look(target)) as taken:
            async for step in taken:
                steps.append(_told(step))
                context.tell(min(99, len(steps) * 100 // STEPS), {"step": step.name})
        return Outcome(result={"ok": all(each["ok"] for each in steps), "steps": steps})

    return Command("probe", ProbeArgs, plan, run, ttl_s=60, limit_s=45)


def _told(step: Step) -> Facts:
    return {
        "step": step.name,
        "ok": step.ok,
        "why": step.reason.value,
        "ms": step.took_ms,
        "fact": step.fact,
    }


def _camera(known: Known, camera_id: str) -> CameraConfig:
    camera = known(camera_id)
    if camera is None:
        refuse("not_found", "there is no such camera here", "/args/cam")
    return camera


def _enabled(known: Known, camera_id: str) -> None:
    if not _camera(known, camera_id).enabled:
        refuse("paused", "the camera is paused by configuration", "/args/cam")
