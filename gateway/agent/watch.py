"""Builds what looks after the gateway itself: the machine, the alarms, Prometheus' figures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.agent.alarm_checks import Checks
from gateway.agent.alarm_store import AlarmStore
from gateway.agent.alarms import Alarms
from gateway.agent.host_watch import HostWatch
from gateway.agent.metrics_server import MetricsServer
from gateway.agent.reaching import Reaching
from gateway.agent.settings import Settings
from gateway.agent.showing import Showing
from gateway.agent.stocktaking import Stocktaking
from gateway.health.camera_findings import Layout
from gateway.health.host import Host
from gateway.model.alarm import Finding
from gateway.model.health import Machine
from gateway.model.reasons import Reason
from gateway.mqtt.wire_config import Reported
from gateway.ports import Clock


@dataclass(frozen=True, slots=True)
class Watch:
    """The parts.

    Attributes:
        host: The newest look at the machine.
        alarms: What is wrong.
        metrics: Serves the figures, if it is asked to.
    """

    host: HostWatch
    alarms: Alarms
    metrics: MetricsServer

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What is to be run."""
        return self.host.run, self.alarms.run, self.metrics.run


def watch_over(
    settings: Settings,
    box: Machine,
    showing: Showing,
    reaching: Reaching,
    stocktaking: Stocktaking,
    *,
    configuration: Callable[[], Reported],
    clock: Clock,
) -> Watch:
    """Return what looks after the gateway.

    Args:
        settings: How patient alarms are, and where figures are served.
        box: What the machine is.
        showing: The cameras, and what looks at their pictures.
        reaching: The way to the centre; is told what has been raised and cleared.
        stocktaking: How the cameras hang together.
        configuration: Returns what there is to say of the centre's configuration.
        clock: Monotonic.
    """
    host = HostWatch(Host(settings.state.dir).sample, clock=clock, every_s=settings.alarms.check_s)
    checks = Checks(
        snapshots=showing.fleet.snapshots,
        layout=Layout(stocktaking.upstream, stocktaking.recorders),
        host=lambda: host.sample,
        limits=settings.alarms.limits,
        certificate_ends_ms=lambda: reaching.certificates.ends_ms,
        bus=reaching.link,
        clock=clock,
        doubts=showing.eyes.doubts,
        more=lambda: (undone(configuration()),),
    )
    alarms = Alarms(
        reaching.topics,
        look=checks.found,
        damping=settings.alarms.damping,
        store=AlarmStore(settings.state.dir),
        epochs=reaching.epochs,
        bus=reaching.link,
        events=reaching.outbox,
        clock=clock,
        check_s=settings.alarms.check_s,
    )
    port = settings.metrics.port
    page = bytes if port is None else _page(box, showing, reaching, host, alarms, clock)
    return Watch(host, alarms, MetricsServer(page, port=port))


def _page(
    box: Machine,
    showing: Showing,
    reaching: Reaching,
    host: HostWatch,
    alarms: Alarms,
    clock: Clock,
) -> Callable[[], bytes]:
    """Return what writes the figures. Imported when it is wanted: the library takes 1.5 MB."""
    from gateway.agent.metrics import Figures, Sources

    sources = Sources(
        version=box.version,
        snapshots=showing.fleet.snapshots,
        host=lambda: host.sample,
        link=lambda: reaching.link.sample,
        bus=reaching.link,
        alarms=lambda: alarms.standing,
        outbox=reaching.outbox.standing,
        decoder_deaths=lambda: showing.decoder.deaths,
    )
    return Figures(sources, clock=clock).page


def undone(said: Reported) -> Finding:
    """Return whether the centre's newest configuration was tried and did not work.

    One that somebody cancelled was undone on purpose.
    """
    bad = said.state == "rolled_back" and said.why != "cancel"
    arguments = {} if said.version is None else {"ver": said.version}
    return Finding("config.undone", bad, Reason.ROLLED_BACK, "major", arguments)
