"""The composition root: builds the components, joins them, and runs them until told to stop.

Leaving goes from the inside out: cameras and viewers first, so that every session is torn down
and every viewer told, and the link to the centre last, so that it can say that we are offline.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import chain

import structlog

from gateway.app.apply_config import ConfigApplier
from gateway.app.broker import BrokerComponents, Receivers, broker_components, sources_known
from gateway.app.cameras import CameraComponents, camera_components
from gateway.app.commands import command_components, receivers_of
from gateway.app.lifecycle import run_components
from gateway.app.monitoring import MonitoringComponents, monitoring_components
from gateway.app.signalling import Signalling
from gateway.commands.registry import enabled_commands
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.fastpath import COMPILED
from gateway.health.host import machine
from gateway.inventory.contacts import ContactsFile
from gateway.inventory.service import InventoryService
from gateway.inventory.store import InventoryStore
from gateway.model.health import Machine
from gateway.model.version import VERSION
from gateway.mqtt.payloads.presence import BirthStatus, Capabilities, RtcCapabilities
from gateway.mqtt.router import MessageRouter, audit_misrouted
from gateway.mqtt.topic_tree import CONFIG_CONFIRM, CONFIG_DESIRED, VIEWER_SAYS
from gateway.ports import Clock
from gateway.remote_config import statuses
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.service import RemoteConfig
from gateway.remote_config.state import ConfigState as ConfigStanding
from gateway.remote_config.store import ConfigStore
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.clock import SystemClock
from gateway.runtime.memory import MemoryTrimmer
from gateway.telemetry.reporter import Reporter

log = structlog.get_logger(__name__)


async def run(
    settings: Settings, standing: ConfigStanding, disk: ConfigStore, secrets: Secrets
) -> None:
    """Run the gateway until cancelled. Everything is let go when this returns.

    Args:
        settings: Who and where it is.
        standing: What it runs: its cameras, and its broker if that is not the settings'.
        disk: Where the centre's configuration is kept.
        secrets: Where passwords are.

    Raises:
        ConfigRejected: A secret that is needed cannot be read.
    """
    clock = SystemClock()
    box = machine(VERSION)
    log.info("starting", version=box.version, fast_path="compiled" if COMPILED else "fallback")
    talk = Receivers(
        deliver=lambda message: inbox.deliver(message),
        will=lambda: reporter.will(),
        greet=lambda: chain(
            reporter.greeting(),
            config_reporter.greeting(),
            inventory_service.greeting(remembered=link.remembered),
            watch.alarms.greeting(),
            commands.dispatcher.greeting(),
        ),
        farewell=lambda: reporter.farewell(),
        prove=lambda: putting.prove(),
    )
    broker_parts = broker_components(
        settings, secrets, standing.running.broker, talk, boot=box.boot, clock=clock
    )
    topics, stamp = broker_parts.topics, broker_parts.epochs.stamp
    link, outbox = broker_parts.link, broker_parts.outbox
    camera_parts = camera_components(
        settings,
        secrets,
        standing.running.site,
        ended=lambda bye: signalling.publish_bye(bye),
        events=outbox,
        clock=clock,
    )
    signalling = Signalling(topics, link, camera_parts.session_manager, stamp=stamp, clock=clock)
    keys = Keyring(settings.resolve_path(settings.remote.keys))
    config_reporter = ConfigReporter(
        topics, statuses.current(standing), bus=link, events=outbox, stamp=stamp, clock=clock
    )
    putting = ConfigApplier(settings, secrets, camera_parts, broker_parts, clock)
    configuration = RemoteConfig(
        standing,
        validator=ConfigValidator(
            settings, secrets, verify_signature=lambda tree: keys.verify(tree, "cfg")
        ),
        store=disk,
        actions=putting.rollout_actions,
        reporter=config_reporter,
        events=outbox,
        clock=clock,
    )
    inventory_service = _inventory_service(settings, camera_parts, broker_parts, box, clock)
    watch = monitoring_components(
        settings,
        box,
        camera_parts,
        broker_parts,
        inventory_service,
        configuration=lambda: statuses.current(standing),
        clock=clock,
    )
    reporter = _reporter(
        settings,
        camera_parts,
        broker_parts,
        watch,
        box=box,
        digests=lambda: {"cfg": standing.digest, **inventory_service.digests()},
        heard=lambda: commands.centre.online,
        clock=clock,
    )
    commands = command_components(
        settings,
        secrets,
        keys,
        camera_parts,
        broker_parts,
        reporter,
        inventory_service,
        alarms=watch.alarms.greeting,
        boot=box.boot,
        clock=clock,
    )
    inbox = MessageRouter(
        topics,
        {
            VIEWER_SAYS: lambda _, message: signalling.enqueue(message),
            CONFIG_DESIRED: lambda _, message: configuration.on_desired(message),
            CONFIG_CONFIRM: lambda _, message: configuration.on_confirm(message),
            **receivers_of(commands),
        },
        on_misrouted=audit_misrouted(outbox, clock),
        acknowledge=link.acknowledge,
        clock=clock,
    )
    await run_components(
        outbox,
        link,
        broker_parts.failover,
        clock,
        (
            signalling.run,
            reporter.run,
            MemoryTrimmer(ctypes.CDLL(None), clock=clock).run,
            inventory_service.run,
            configuration.run,
            *camera_parts.components,
            *broker_parts.components,
            *watch.components,
            *commands.components,
        ),
    )


def _inventory_service(
    settings: Settings,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    box: Machine,
    clock: Clock,
) -> InventoryService:
    """Return what keeps the inventory."""
    contacts = ContactsFile(
        settings.state.dir / "contacts.json", allowed=settings.inventory.contacts
    )
    return InventoryService(
        broker_parts.topics,
        sources=sources_known(settings, lambda: camera_parts.manager.site, box),
        streams=camera_parts.manager.streams,
        contacts=contacts.read,
        store=InventoryStore(settings.state.dir),
        epochs=broker_parts.epochs,
        bus=broker_parts.link,
        clock=clock,
        events=broker_parts.outbox,
    )


def _reporter(
    settings: Settings,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    watch: MonitoringComponents,
    *,
    box: Machine,
    digests: Callable[[], dict[str, str]],
    heard: Callable[[], bool],
    clock: Clock,
) -> Reporter:
    """Return what tells presence, birth, health and states.

    Args:
        settings: What commands are allowed.
        camera_parts: Cameras and viewers.
        broker_parts: The way to the centre.
        watch: Looks at the machine.
        box: What it is.
        digests: Of configuration and inventory, for the birth.
        heard: Whether the centre is there.
        clock: Monotonic.
    """
    fleet, link = camera_parts.manager, broker_parts.link
    most = fleet.site.limits.viewers
    return Reporter(
        broker_parts.topics,
        machine=box,
        site=lambda: fleet.site.name,
        abilities=Capabilities(
            rtc=RtcCapabilities(codecs=("h264", "h265"), max_sessions=most),
            commands=enabled_commands(settings),
        ),
        epochs=broker_parts.epochs,
        snapshots=fleet.snapshots,
        relay=camera_parts.session_manager.sample,
        link=lambda: link.sample,
        host=lambda: watch.host.sample,
        bus=link,
        clock=clock,
        standing=lambda: BirthStatus(
            digests(), broker_parts.outbox.standing(), broker_parts.certificates.own()
        ),
        heard=heard,
        change_key=lambda: (fleet.change_key(), digests()),
    )
