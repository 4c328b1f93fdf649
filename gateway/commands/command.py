"""What a command is: its row in the registry, and the two things that can be done with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.cameras.probe import Step
from gateway.commands.https_put import HttpsPut
from gateway.config.settings import Settings
from gateway.discovery.addresses import Network
from gateway.discovery.discovery import Item
from gateway.model.errors import refuse
from gateway.model.site_document import CameraConfig, SiteConfig
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.command import Args, CommandRequest
from gateway.mqtt.topics import Topics
from gateway.ports import Bus, Clock
from gateway.runtime.logging import LogLevel
from gateway.updates.wanted import UpdateOrders

Facts = Mapping[str, Any]
"""A JSON object."""

FollowLog = Callable[[Callable[[str], None], LogLevel], AbstractContextManager[None]]
"""Calls the function with every redacted line of that level and above, from any thread."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command has ended.

    Attributes:
        state: ``succeeded`` or ``failed``.
        result: For the requester.
        code: Why it failed.
    """

    state: Literal["succeeded", "failed"] = "succeeded"
    result: Facts = field(default_factory=dict)
    code: str | None = None


def failed(code: str, **result: object) -> Outcome:
    """Return the outcome of a failure."""
    return Outcome("failed", result, code)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One command that is being executed.

    Attributes:
        request: As it came.
        report_progress: Sends percent done (None: unknown) and what is known so far to the
            requester, at most once a second; what comes sooner is dropped.
    """

    request: CommandRequest
    report_progress: Callable[[int | None, Facts], None]


@dataclass(frozen=True, slots=True)
class CommandDependencies:
    """What the handlers work with.

    Attributes:
        topics: Of this gateway.
        site: Returns the site document in force.
        viewers: Returns how many watch a camera.
        restart: Closes a camera's streams and opens them again; False if there is no such camera.
        resend: Publishes the named sections again.
        take_snapshot: Returns a JPEG of a camera, at most so many pixels wide. Raises NoPicture.
        probe: Yields the steps of a probe of a camera, or of a host.
        camera_networks: In which the settings allow cameras.
        discover: Yields what a discovery finds in those networks, or in all camera networks. Raises
            TransientError: another is being made.
        upload: Puts a file where the settings allow it.
        follow_log: See `FollowLog`.
        updates: Takes orders for releases.
        reboot: Command line that restarts the machine; empty: it cannot be restarted.
        bus: Publishes log lines.
        stamp: Returns the stamp of the next message.
        clock: Monotonic.
    """

    topics: Topics
    site: Callable[[], SiteConfig]
    viewers: Callable[[str], int]
    restart: Callable[[str], bool]
    resend: Callable[[Iterable[str]], None]
    take_snapshot: Callable[[str, int], Awaitable[bytes]]
    probe: Callable[[CameraConfig | str], AsyncGenerator[Step, None]]
    camera_networks: tuple[Network, ...]
    discover: Callable[[Sequence[Network] | None], AsyncGenerator[Item, None]]
    upload: HttpsPut
    follow_log: FollowLog
    updates: UpdateOrders
    reboot: tuple[str, ...]
    bus: Bus
    stamp: Callable[[], Stamp]
    clock: Clock

    def find_camera(self, camera_id: str) -> CameraConfig | None:
        """Return a camera of the site; None if there is none."""
        return next((each for each in self.site().cameras if each.id == camera_id), None)

    def require_camera(self, camera_id: str) -> CameraConfig:
        """Return a camera of the site. Raises MessageRejected if there is none."""
        camera = self.find_camera(camera_id)
        if camera is None:
            refuse("not_found", "there is no such camera here", "/args/cam")
        return camera

    def require_enabled_camera(self, camera_id: str) -> CameraConfig:
        """Return a camera that is in use. Raises MessageRejected if it is absent or paused."""
        camera = self.require_camera(camera_id)
        if not camera.enabled:
            refuse("paused", "the camera is paused by configuration", "/args/cam")
        return camera


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """What can be done with a command.

    Attributes:
        plan: Returns what would be done, at once and without doing it. Raises MessageRejected if
            the arguments make no sense here, with every place below ``/args``.
        run: Does it. Cancelled when it takes too long or when the gateway stops. A GatewayError is
            its failure, with the reason as code.
    """

    plan: Callable[[Any], Facts]
    run: Callable[[Any, CommandContext], Awaitable[Outcome]]


def _everywhere(_: Settings) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One row of the registry.

    Attributes:
        name: As in the topic.
        args: Model of its arguments, ``extra="forbid"``.
        create: Returns its handler.
        ttl_s: Longest lifetime that a request may give itself.
        limit_s: Longest execution; then it is ``timed_out``.
        signed: Whether a request must be signed.
        default_allowed: Whether it is allowed where the settings do not say.
        disruptive: Whether viewers lose their picture; of all those one runs at a time.
        max_concurrent: How many of this name may run at once.
        survives_restart: Whether the machine's restart is its success instead of its failure.
        is_available: Whether a machine with those settings can do it at all.
    """

    name: str
    args: type[Args]
    create: Callable[[CommandDependencies], CommandHandler]
    ttl_s: float
    limit_s: float
    signed: bool = False
    default_allowed: bool = True
    disruptive: bool = False
    max_concurrent: int = 2
    survives_restart: bool = False
    is_available: Callable[[Settings], bool] = _everywhere


@dataclass(frozen=True, slots=True)
class Command:
    """A command that this machine has.

    Attributes:
        spec: Its row.
        handler: Does it.
    """

    spec: CommandSpec
    handler: CommandHandler
