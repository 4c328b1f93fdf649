"""Remote commands and broadcasts of the centre, joined to the components that execute them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from gateway.app.broker import BrokerComponents
from gateway.app.cameras import CameraComponents
from gateway.app.updates import update_service
from gateway.cameras.probe import Step, probe
from gateway.commands.admission import CommandAdmission
from gateway.commands.broadcast import BroadcastListener
from gateway.commands.command import CommandDependencies
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.handlers.registry import create_commands, enabled_commands
from gateway.commands.https_put import HttpsPut
from gateway.commands.journal import CommandJournal
from gateway.commands.replies import ReplySender
from gateway.config.load import policy_of
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.inventory.service import InventoryService
from gateway.model.site_document import CameraConfig
from gateway.mqtt.router import MessageHandler
from gateway.mqtt.topic_tree import BROADCAST, CENTRE_STATE, COMMAND, TopicSpec
from gateway.ports import Clock, OutboundMessage
from gateway.runtime.logging import LogLevel, follow_log
from gateway.runtime.rate_limit import RateLimiter
from gateway.runtime.trusted_time import TrustedTime
from gateway.telemetry.reporter import Reporter
from gateway.updates.service import UpdateService

JOURNAL = "commands.db"
"""In the state folder."""

WATCH_S = 5.0
"""How long a remote probe watches the pictures."""


@dataclass(frozen=True, slots=True)
class CommandComponents:
    """What receives commands and broadcasts."""

    dispatcher: CommandDispatcher
    journal: CommandJournal
    centre: BroadcastListener
    updates: UpdateService

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.dispatcher.run, self.centre.run, self.updates.run


def receivers_of(command_parts: CommandComponents) -> dict[TopicSpec, MessageHandler]:
    """Return the receiver of each topic that *command_parts* serve."""
    return {
        COMMAND: command_parts.dispatcher.deliver,
        BROADCAST: command_parts.centre.deliver,
        CENTRE_STATE: command_parts.centre.deliver,
    }


def command_components(
    settings: Settings,
    secrets: Secrets,
    keys: Keyring,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    reporter: Reporter,
    inventory_service: InventoryService,
    *,
    alarms: Callable[[], Iterator[OutboundMessage]],
    boot: str,
    time: TrustedTime,
    clock: Clock,
) -> CommandComponents:
    """Return what receives commands and broadcasts.

    Args:
        settings: Which commands are allowed, and their limits.
        secrets: For probes; its redactor hides secrets in every reply.
        keys: Trusted public keys.
        camera_parts: The cameras, their viewers and pictures.
        broker_parts: The connection to the centre.
        reporter: Publishes presence, birth, health and camera states again.
        inventory_service: Publishes the inventory again.
        alarms: Returns a message for each open alarm.
        boot: Id of the machine's boot.
        time: The wall clock as far as it can be trusted.
        clock: Monotonic.
    """
    bus, own = broker_parts.client, broker_parts.topics

    def resend(sections: Iterable[str]) -> None:
        asked = tuple(sections)
        for again in reporter.messages_of(asked):
            bus.publish(again)
        inventory_service.resend(asked)
        if "alarms" in asked:
            for again in alarms():
                bus.publish(again)

    def follow(on_line: Callable[[str], None], level: LogLevel) -> AbstractContextManager[None]:
        return follow_log(secrets.redactor, on_line, level)

    chosen = settings.commands
    ca_file = None if chosen.upload_ca is None else settings.resolve_path(chosen.upload_ca)
    updates = update_service(settings, broker_parts, clock)
    dependencies = CommandDependencies(
        topics=own,
        site=lambda: camera_parts.manager.site,
        viewers=camera_parts.session_manager.viewer_count,
        restart=camera_parts.manager.restart,
        resend=resend,
        take_snapshot=camera_parts.picture_monitor.snapshot,
        probe=partial(_probe, settings, secrets, clock),
        camera_networks=settings.cameras.networks,
        discover=camera_parts.discovery.discover,
        upload=HttpsPut(chosen.upload_hosts, ca_file),
        follow_log=follow,
        updates=updates,
        reboot=chosen.reboot,
        bus=bus,
        stamp=broker_parts.epochs.stamp,
        clock=clock,
    )
    admission = CommandAdmission(
        own.gateway,
        create_commands(dependencies),
        frozenset(enabled_commands(settings)),
        verify=lambda signed: keys.verify(signed, "cmd"),
        time=time,
    )
    redact, journal = secrets.redactor.redact_text, CommandJournal(settings.state.dir / JOURNAL)
    dispatcher = CommandDispatcher(
        own,
        admission=admission,
        journal=journal,
        limiter=RateLimiter(chosen.per_min, chosen.burst, clock=clock),
        replies=ReplySender(bus, stamp=broker_parts.epochs.stamp, redact=redact, clock=clock),
        bus=bus,
        events=broker_parts.outbox,
        refusals=broker_parts.refusals,
        boot=boot,
        clock=clock,
    )
    listener = BroadcastListener(own, resend=resend, clock=clock)
    return CommandComponents(dispatcher, journal, listener, updates)


def _probe(
    settings: Settings, secrets: Secrets, clock: Clock, target: CameraConfig | str
) -> AsyncGenerator[Step, None]:
    """Probe a camera as it is configured, or a host without a login.

    Its pictures are looked at as `camera-gateway probe` does, unless the settings have that off.
    """
    if isinstance(target, str):
        camera, url = None, f"rtsp://{target}/"
    else:
        camera, url = target, target.streams[0].url
    password = None
    if camera is not None:
        password = secrets.load_for_camera(camera, url, at=f"/cameras/{camera.id}")
    return probe(
        url,
        username=None if camera is None else camera.username,
        password=password,
        allow_basic=camera is not None and camera.allow_basic,
        policy=policy_of(settings),
        transport="auto" if camera is None else camera.streams[0].transport,
        watch_s=WATCH_S,
        looks=settings.picture_checks.enabled,
        clock=clock,
    )
