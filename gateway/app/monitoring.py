"""Builds what looks after the gateway itself: the machine, the alarms, Prometheus' figures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.alarms.camera_rules import SiteTopology
from gateway.alarms.evaluate import AlarmEvaluation
from gateway.alarms.service import AlarmService
from gateway.alarms.store import AlarmStore
from gateway.app.broker import BrokerComponents
from gateway.app.cameras import CameraComponents
from gateway.config.settings import Settings
from gateway.health.host import Host, HostSampler
from gateway.inventory.service import InventoryService
from gateway.model.health import Machine
from gateway.mqtt.payloads.config import Reported
from gateway.ports import Clock
from gateway.telemetry.metrics_server import MetricsServer


@dataclass(frozen=True, slots=True)
class MonitoringComponents:
    """The parts.

    Attributes:
        host: The newest look at the machine.
        alarms: What is wrong.
        metrics: Serves the figures, if it is asked to.
    """

    host: HostSampler
    alarms: AlarmService
    metrics: MetricsServer

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What is to be run."""
        return self.host.run, self.alarms.run, self.metrics.run


def monitoring_components(
    settings: Settings,
    box: Machine,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    inventory_service: InventoryService,
    *,
    configuration: Callable[[], Reported],
    clock: Clock,
) -> MonitoringComponents:
    """Return what looks after the gateway.

    Args:
        settings: How patient alarms are, and where figures are served.
        box: What the machine is.
        camera_parts: The cameras, and what looks at their pictures.
        broker_parts: The way to the centre; is told what has been raised and cleared.
        inventory_service: How the cameras hang together.
        configuration: Returns what there is to say of the centre's configuration.
        clock: Monotonic.
    """
    host = HostSampler(
        Host(settings.state.dir).sample, clock=clock, every_s=settings.alarms.check_s
    )
    checks = AlarmEvaluation(
        snapshots=camera_parts.manager.snapshots,
        topology=SiteTopology(inventory_service.upstream, inventory_service.recorders),
        host=lambda: host.sample,
        limits=settings.alarms.limits,
        certificate_ends_ms=lambda: broker_parts.certificates.ends_ms,
        configuration=configuration,
        bus=broker_parts.link,
        clock=clock,
        suspected_faults=camera_parts.picture_monitor.suspected_faults,
    )
    alarms = AlarmService(
        broker_parts.topics,
        evaluate=checks.evaluate,
        damping=settings.alarms.damping,
        store=AlarmStore(settings.state.dir),
        epochs=broker_parts.epochs,
        bus=broker_parts.link,
        events=broker_parts.outbox,
        clock=clock,
        check_s=settings.alarms.check_s,
    )
    port = settings.metrics.port
    page = bytes if port is None else _page(box, camera_parts, broker_parts, host, alarms, clock)
    return MonitoringComponents(host, alarms, MetricsServer(page, port=port))


def _page(
    box: Machine,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    host: HostSampler,
    alarms: AlarmService,
    clock: Clock,
) -> Callable[[], bytes]:
    """Return what writes the figures. Imported when it is wanted: the library takes 1.5 MB."""
    from gateway.telemetry.metrics import MetricsCollector, MetricsSources

    sources = MetricsSources(
        version=box.version,
        snapshots=camera_parts.manager.snapshots,
        host=lambda: host.sample,
        link=lambda: broker_parts.link.sample,
        bus=broker_parts.link,
        alarms=lambda: alarms.standing,
        outbox=broker_parts.outbox.standing,
        decoder_deaths=lambda: camera_parts.decoder.deaths,
    )
    return MetricsCollector(sources, clock=clock).page
