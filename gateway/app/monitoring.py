"""Builds the monitoring of the gateway: host samples, alarms and the metrics page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.alarms.camera_rules import SiteTopology
from gateway.alarms.evaluate import AlarmEvaluation
from gateway.alarms.host_rules import StoreTroubles
from gateway.alarms.service import AlarmService
from gateway.alarms.store import AlarmStore
from gateway.app.broker import BrokerComponents
from gateway.app.cameras import CameraComponents
from gateway.config.settings import Settings
from gateway.documents.service import DocumentService
from gateway.health.host import Host, HostSampler
from gateway.inventory.service import InventoryService
from gateway.model.health import Machine
from gateway.mqtt.payloads.config import Reported
from gateway.ports import Clock
from gateway.runtime.trusted_time import TrustedTime
from gateway.telemetry.metrics_server import MetricsServer


@dataclass(frozen=True, slots=True)
class MonitoringComponents:
    """The parts of the monitoring.

    Attributes:
        host: Holds the newest sample of the machine.
        alarms: Evaluates and publishes the alarms.
        metrics: Serves the metrics page, if a port is set.
    """

    host: HostSampler
    alarms: AlarmService
    metrics: MetricsServer

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """The coroutine functions to be run."""
        return self.host.run, self.alarms.run, self.metrics.run


def monitoring_components(
    settings: Settings,
    machine: Machine,
    cameras: CameraComponents,
    broker: BrokerComponents,
    inventory_service: InventoryService,
    *,
    configuration: Callable[[], Reported],
    stores: StoreTroubles,
    documents: DocumentService,
    time: TrustedTime,
    clock: Clock,
) -> MonitoringComponents:
    """Return the monitoring.

    Args:
        settings: Of alarms and metrics.
        machine: What the gateway runs on.
        cameras: The cameras and their picture checks.
        broker: The connection to the centre, and the outbox for events.
        inventory_service: What stands between the cameras and the gateway.
        configuration: Returns what is reported of the centre's configuration.
        stores: Files that must be written.
        documents: Carries the monthly documents.
        time: The wall clock as far as it can be trusted.
        clock: Monotonic.
    """
    host = HostSampler(
        Host(settings.state.dir, clock_behind_s=lambda: time.behind_s).sample,
        clock=clock,
        every_s=settings.alarms.check_s,
    )
    evaluation = AlarmEvaluation(
        snapshots=cameras.manager.snapshots,
        topology=SiteTopology(inventory_service.upstream, inventory_service.recorders),
        host=lambda: host.sample,
        limits=settings.alarms.limits,
        certificate_ends_ms=lambda: broker.certificates.ends_ms,
        renewal_failed=lambda: broker.renewal is not None and broker.renewal.is_failing,
        wall_ms=time.now_ms,
        configuration=configuration,
        bus=broker.client,
        clock=clock,
        stores=stores,
        child_deaths=cameras.child_deaths,
        documents=documents.standings,
        suspected_faults=cameras.picture_monitor.suspected_faults,
    )
    alarms = AlarmService(
        broker.topics,
        evaluate=evaluation.evaluate,
        damping=settings.alarms.damping,
        store=AlarmStore(settings.state.dir),
        epochs=broker.epochs,
        bus=broker.client,
        events=broker.outbox,
        clock=clock,
        check_s=settings.alarms.check_s,
    )
    port = settings.metrics.port
    page = bytes if port is None else _metrics_page(machine, cameras, broker, host, alarms, clock)
    return MonitoringComponents(host, alarms, MetricsServer(page, port=port))


def _metrics_page(
    machine: Machine,
    cameras: CameraComponents,
    broker: BrokerComponents,
    host: HostSampler,
    alarms: AlarmService,
    clock: Clock,
) -> Callable[[], bytes]:
    """Return what writes the metrics page. Its library (1.5 MB) is imported only then."""
    from gateway.telemetry.metrics import MetricsCollector, MetricsSources

    sources = MetricsSources(
        version=machine.version,
        snapshots=cameras.manager.snapshots,
        host=lambda: host.sample,
        link=lambda: broker.client.sample,
        bus=broker.client,
        alarms=lambda: alarms.standing,
        outbox=broker.outbox.birth_status,
        child_deaths=cameras.child_deaths,
        inbound_drops=lambda: cameras.inbound_drops.counts,
    )
    return MetricsCollector(sources, clock=clock).page
