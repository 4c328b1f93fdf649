"""The composition root: builds all parts, connects them, and runs them until cancelled."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import chain

import structlog

from gateway.alarms.host_rules import StoreTroubles
from gateway.app.apply_config import ConfigApplier
from gateway.app.broker import BrokerComponents, broker_components
from gateway.app.callbacks import Callbacks
from gateway.app.cameras import CameraComponents, camera_components, inventory_sources
from gateway.app.commands import command_components, receivers_of
from gateway.app.documents import document_service
from gateway.app.lifecycle import run_components
from gateway.app.monitoring import MonitoringComponents, monitoring_components
from gateway.app.signalling import Signalling
from gateway.app.status_line import status_line
from gateway.app.updates import health_file
from gateway.app.viewing import viewing_components
from gateway.audit.log import AuditLog
from gateway.audit.store import AUDIT, AuditStore
from gateway.commands.handlers.registry import enabled_commands
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.fastpath import ADVICE, COMPILED, STALE
from gateway.health.clock_status import kernel_clock
from gateway.health.host import machine
from gateway.inventory.contacts import ContactsFile
from gateway.inventory.service import InventoryService
from gateway.inventory.store import InventoryStore
from gateway.model.health import Machine
from gateway.mqtt.payloads.presence import BirthStatus, Capabilities, RtcCapabilities
from gateway.mqtt.router import MessageRouter, audit_misrouted
from gateway.mqtt.topic_tree import (
    CONFIG_CONFIRM,
    CONFIG_DESIRED,
    DOCUMENT_ACK,
    REVOCATION,
    VIEWER_SIGNALLING,
)
from gateway.ports import Clock
from gateway.remote_config import statuses
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.service import RemoteConfig
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.bugs import contained
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import SystemClock, now_ms
from gateway.runtime.memory import MemoryTrimmer
from gateway.runtime.trusted_time import TrustedTime
from gateway.telemetry.reporter import Reporter

SEEN_TIME = "seen-time"
"""In the state folder: the newest time that was seen. Remove it if that was wrong."""

log = structlog.get_logger(__name__)


async def run(settings: Settings, state: ConfigState, store: ConfigStore, secrets: Secrets) -> None:
    """Run the gateway until cancelled. All sockets, tasks and files are closed when this returns.

    Args:
        settings: Who and where it is.
        state: What it runs: its cameras, and its broker if that is not the settings'.
        store: Where the centre's configuration is kept.
        secrets: Where passwords are.

    Raises:
        ConfigRejected: A secret that is needed cannot be read.
    """
    clock = SystemClock()
    box = machine(FULL_VERSION)

    # Build: each part is given what stands above it.
    callbacks = Callbacks()
    time = TrustedTime(settings.state.dir / SEEN_TIME, synced=_clock_is_synced, clock=clock)
    broker_parts = broker_components(
        settings, secrets, state.running.broker, callbacks, boot=box.boot, time=time, clock=clock
    )
    topics, stamp = broker_parts.topics, broker_parts.epochs.stamp
    client, outbox = broker_parts.client, broker_parts.outbox
    keys = Keyring(settings.resolve_path(settings.remote.keys))
    audit = AuditLog(AuditStore(settings.state.dir / AUDIT), events=outbox, wall_ms=now_ms)
    viewing = viewing_components(
        settings,
        keys,
        end_viewings=lambda is_over, why: camera_parts.session_manager.end_viewings(is_over, why),
        events=audit,
        time=time,
        clock=clock,
    )
    camera_parts = camera_components(
        settings,
        secrets,
        state.running.site,
        callbacks,
        authority=viewing.admission,
        events=audit,
        refusals=broker_parts.refusals,
        clock=clock,
    )
    signalling = Signalling(topics, client, camera_parts.session_manager, stamp=stamp, clock=clock)
    config_reporter = ConfigReporter(
        topics, statuses.current(state), bus=client, events=outbox, stamp=stamp, clock=clock
    )
    config_applier = ConfigApplier(settings, secrets, camera_parts, broker_parts, clock)
    remote_config = RemoteConfig(
        state,
        validator=ConfigValidator(
            settings,
            secrets,
            verify_signature=lambda tree: keys.verify(tree, "cfg"),
            time=time,
        ),
        store=store,
        actions=config_applier.rollout_actions,
        reporter=config_reporter,
        events=outbox,
        clock=clock,
    )
    inventory_service = _inventory_service(settings, camera_parts, broker_parts, box, clock)
    documents = document_service(settings, broker_parts, keys, secrets, time=time, clock=clock)
    monitoring = monitoring_components(
        settings,
        box,
        camera_parts,
        broker_parts,
        inventory_service,
        configuration=lambda: statuses.current(state),
        stores=StoreTroubles(
            audit=lambda: audit.trouble,
            used_tokens=lambda: viewing.used_tokens.trouble,
            outbox=lambda: outbox.trouble,
            journal=lambda: commands.journal.trouble,
        ),
        documents=documents,
        time=time,
        clock=clock,
    )
    reporter = _reporter(
        settings,
        camera_parts,
        broker_parts,
        monitoring,
        box=box,
        digests=lambda: {"cfg": state.digest, **inventory_service.digests()},
        centre_online=lambda: callbacks.centre_online(),
        leaving=lambda: commands.updates.leaving(),
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
        alarms=monitoring.alarms.greeting,
        boot=box.boot,
        time=time,
        clock=clock,
    )
    router = MessageRouter(
        topics,
        {
            VIEWER_SIGNALLING: signalling.deliver,
            CONFIG_DESIRED: lambda _, message: remote_config.on_desired(message),
            CONFIG_CONFIRM: lambda _, message: remote_config.on_confirm(message),
            DOCUMENT_ACK: documents.on_ack,
            REVOCATION: lambda _, message: viewing.revocation.deliver(message),
            **receivers_of(commands),
        },
        on_misrouted=audit_misrouted(broker_parts.refusals),
        acknowledge=client.acknowledge,
        clock=clock,
    )

    # Connect: what the parts above call in those below.
    callbacks.on_message = router.route
    callbacks.will = reporter.will
    callbacks.greet = lambda: chain(
        contained(reporter.greeting(), "presence"),
        contained(config_reporter.greeting(), "config"),
        contained(commands.updates.greeting(), "updates"),
        contained(inventory_service.greeting(remembered=client.session_present), "inventory"),
        contained(monitoring.alarms.greeting(), "alarms"),
        contained(commands.dispatcher.greeting(), "replies"),
    )
    callbacks.farewell = reporter.farewell
    callbacks.check_broker = config_applier.check_broker
    callbacks.tell_viewer = signalling.tell
    callbacks.centre_online = lambda: commands.centre.online

    # Run: the outbox around the MQTT client, both around all else.
    await run_components(
        outbox,
        client,
        broker_parts.failover,
        clock,
        (
            signalling.run,
            reporter.run,
            time.run,
            MemoryTrimmer(ctypes.CDLL(None), clock=clock).run,
            inventory_service.run,
            remote_config.run,
            documents.run,
            *viewing.components,
            *camera_parts.components,
            *broker_parts.runners,
            *monitoring.components,
            *commands.components,
            health_file(camera_parts, broker_parts, clock).run,
        ),
        audit=audit.run,
        health=reporter.health_line,
        status=lambda: status_line(
            reporter.counts(),
            connected=client.connected,
            viewers=camera_parts.session_manager.serving_count,
        ),
    )


def log_start() -> None:
    """Log which version starts, and whether the fast path is compiled, for these sources."""
    log.info("starting", version=FULL_VERSION, fast_path="compiled" if COMPILED else "fallback")
    if STALE:
        log.warning("fast_path_stale", detail=ADVICE)


def _clock_is_synced() -> bool | None:
    """Return whether the kernel holds the wall clock to be synchronised; None: it cannot say."""
    try:
        return kernel_clock().synced
    except OSError:
        return None


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
        sources=inventory_sources(
            settings,
            lambda: camera_parts.manager.site,
            box,
            lambda: camera_parts.discovery.devices,
        ),
        streams=camera_parts.manager.streams,
        contacts=contacts.load,
        store=InventoryStore(settings.state.dir),
        epochs=broker_parts.epochs,
        bus=broker_parts.client,
        clock=clock,
        events=broker_parts.outbox,
    )


def _reporter(
    settings: Settings,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    monitoring: MonitoringComponents,
    *,
    box: Machine,
    digests: Callable[[], dict[str, str]],
    centre_online: Callable[[], bool],
    leaving: Callable[[], tuple[str, int | None]],
    clock: Clock,
) -> Reporter:
    """Return what reports presence, birth, health and states.

    Args:
        settings: What commands are allowed.
        camera_parts: Cameras and viewers.
        broker_parts: The way to the centre.
        monitoring: Measures the machine.
        box: What it is.
        digests: Of configuration and inventory, for the birth.
        centre_online: Whether the centre listens.
        leaving: Why the gateway stops, and after how many seconds it is back.
        clock: Monotonic.
    """
    manager, client = camera_parts.manager, broker_parts.client
    most = manager.site.limits.viewers
    return Reporter(
        broker_parts.topics,
        machine=box,
        site=lambda: manager.site.name or settings.gateway.name,
        capabilities=Capabilities(
            rtc=RtcCapabilities(codecs=("h264", "h265"), max_sessions=most),
            commands=enabled_commands(settings),
        ),
        epochs=broker_parts.epochs,
        snapshots=manager.snapshots,
        relay=camera_parts.session_manager.sample,
        transcoding=camera_parts.transcoding,
        deaths=camera_parts.child_deaths,
        link=lambda: client.sample,
        host=lambda: monitoring.host.sample,
        bus=client,
        clock=clock,
        status=lambda: BirthStatus(
            digests(),
            broker_parts.outbox.birth_status(),
            broker_parts.certificates.birth_certificate(),
        ),
        centre_online=centre_online,
        leaving=leaving,
        change_key=lambda: (manager.change_key(), digests()),
    )
