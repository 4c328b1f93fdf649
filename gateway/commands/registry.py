"""Every command there is, and the dispatcher, built from the components that do the work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from gateway.cameras.probe import Step, probe
from gateway.commands.admission import CommandAdmission, Verify
from gateway.commands.camera_commands import probe_command, restart_command, snapshot_command
from gateway.commands.command import Command
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.https_put import HttpsPut
from gateway.commands.journal import CommandJournal
from gateway.commands.log_tail import tail_command
from gateway.commands.replies import ReplySender
from gateway.commands.site_commands import config_command, rebirth_command, reboot_command
from gateway.config.load import policy_of
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import digest
from gateway.model.site_document import CameraConfig, SiteConfig
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.topics import Topics
from gateway.ports import Bus, Clock, Events
from gateway.runtime.logging import LogLevel, follow_log
from gateway.runtime.rate_limit import RateLimiter

JOURNAL = "commands.db"
"""In the state folder."""

WATCH_S = 5.0
"""How long a probe from afar looks at the pictures."""


@dataclass(frozen=True, slots=True)
class CommandDependencies:
    """Who does what commands ask for.

    Attributes:
        site: Returns the site document in force.
        viewers: Returns how many watch a camera.
        restart: Tears a camera down and begins it anew; False if that cannot be.
        resend: Tells those sections again.
        photograph: Returns a JPEG of a camera so wide, or raises NoPicture.
        verify: Returns the id of the key that has signed a tree, or raises MessageRejected.
    """

    site: Callable[[], SiteConfig]
    viewers: Callable[[str], int]
    restart: Callable[[str], bool]
    resend: Callable[[Iterable[str]], None]
    take_snapshot: Callable[[str, int], Awaitable[bytes]]
    verify: Verify


def enabled_commands(settings: Settings) -> tuple[str, ...]:
    """Return what may be asked for here; a machine that cannot start itself anew is not asked."""
    chosen = settings.commands
    return tuple(name for name in chosen.allowed if name != "reboot" or chosen.reboot)


def command_dispatcher(
    settings: Settings,
    secrets: Secrets,
    dependencies: CommandDependencies,
    *,
    own: Topics,
    stamp: Callable[[], Stamp],
    bus: Bus,
    events: Events,
    boot: str,
    clock: Clock,
) -> CommandDispatcher:
    """Return the dispatcher of this machine; *boot* is the id of its boot."""
    chosen = settings.commands
    listed = _commands(settings, secrets, dependencies, own=own, stamp=stamp, bus=bus, clock=clock)
    catalogue = {command.name: command for command in listed}
    return CommandDispatcher(
        own,
        gate=CommandAdmission(
            own.gateway, catalogue, frozenset(enabled_commands(settings)), dependencies.verify
        ),
        journal=CommandJournal(settings.state.dir / JOURNAL),
        limits=RateLimiter(chosen.per_min, chosen.burst, clock=clock),
        answers=ReplySender(bus, stamp=stamp, redact=secrets.redactor.redact_text, clock=clock),
        bus=bus,
        events=events,
        boot=boot,
        clock=clock,
    )


def _commands(
    settings: Settings,
    secrets: Secrets,
    dependencies: CommandDependencies,
    *,
    own: Topics,
    stamp: Callable[[], Stamp],
    bus: Bus,
    clock: Clock,
) -> tuple[Command, ...]:
    chosen = settings.commands

    def known(camera: str) -> CameraConfig | None:
        return next((each for each in dependencies.site().cameras if each.id == camera), None)

    def follow(take: Callable[[str], None], level: LogLevel) -> AbstractContextManager[None]:
        return follow_log(secrets.redactor, take, level)

    ca_file = None if chosen.upload_ca is None else settings.resolve_path(chosen.upload_ca)
    upload = HttpsPut(chosen.upload_hosts, ca_file)
    return (
        restart_command(known, viewers=dependencies.viewers, restart=dependencies.restart),
        snapshot_command(known, take_snapshot=dependencies.take_snapshot, upload=upload),
        probe_command(known, look=partial(_look, settings, secrets, clock)),
        rebirth_command(own.gateway, resend=dependencies.resend, clock=clock),
        config_command(dependencies.site, digest),
        tail_command(own, follow=follow, bus=bus, stamp=stamp, clock=clock),
        reboot_command(chosen.reboot, clock=clock),
    )


def _look(
    settings: Settings, secrets: Secrets, clock: Clock, target: CameraConfig | str
) -> AsyncGenerator[Step, None]:
    """Probe a camera as it is configured, or a host without a login."""
    if isinstance(target, str):
        camera, url = None, f"rtsp://{target}/"
    else:
        camera, url = target, target.streams[0].url
    password = None
    if camera is not None and camera.password is not None:
        at = f"/cameras/{camera.id}/password"
        password = secrets.load(camera.password, at=at, username=camera.username)
    return probe(
        url,
        username=None if camera is None else camera.username,
        password=password,
        allow_basic=camera is not None and camera.allow_basic,
        policy=policy_of(settings),
        transport="auto" if camera is None else camera.streams[0].transport,
        watch_s=WATCH_S,
        clock=clock,
    )
