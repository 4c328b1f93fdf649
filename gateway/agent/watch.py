"""Builds what looks after the gateway itself: the machine, the alarms, Prometheus' figures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.agent.alarm_checks import Checks, Doubts
from gateway.agent.alarm_store import AlarmStore
from gateway.agent.alarms import Alarms
from gateway.agent.fleet import Fleet
from gateway.agent.host_watch import HostWatch
from gateway.agent.metrics_server import MetricsServer
from gateway.agent.settings import Settings
from gateway.agent.stocktaking import Stocktaking
from gateway.health.camera_findings import Layout
from gateway.health.host import Host
from gateway.model.alarm import Finding
from gateway.model.reasons import Reason
from gateway.mqtt.certificates import Certificates
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link
from gateway.mqtt.outbox import Outbox
from gateway.mqtt.topics import Topics
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
    *,
    version: str,
    topics: Topics,
    fleet: Fleet,
    stocktaking: Stocktaking,
    link: Link,
    certificates: Certificates,
    epochs: Epochs,
    outbox: Outbox,
    clock: Clock,
    doubts: Doubts = dict,
    decoder_deaths: Callable[[], int] = lambda: 0,
    configuration: Callable[[], Reported],
) -> Watch:
    """Return what looks after the gateway.

    Args:
        settings: How patient alarms are, and where figures are served.
        version: Of this program.
        topics: Of this gateway.
        fleet: Its cameras.
        stocktaking: How they hang together.
        link: The way to the centre.
        certificates: Ours.
        epochs: Numbers messages.
        outbox: Takes what has been raised and cleared.
        clock: Monotonic.
        doubts: What looks at the pictures says.
        decoder_deaths: How often a picture has ended the decoder.
        configuration: Returns what there is to say of the centre's configuration.
    """
    host = HostWatch(Host(settings.state.dir).sample, clock=clock, every_s=settings.alarms.check_s)
    checks = Checks(
        snapshots=fleet.snapshots,
        layout=Layout(stocktaking.upstream, stocktaking.recorders),
        host=lambda: host.sample,
        limits=settings.alarms.limits,
        certificate_ends_ms=lambda: certificates.ends_ms,
        bus=link,
        clock=clock,
        doubts=doubts,
        more=lambda: (undone(configuration()),),
    )
    alarms = Alarms(
        topics,
        look=checks.found,
        damping=settings.alarms.damping,
        store=AlarmStore(settings.state.dir),
        epochs=epochs,
        bus=link,
        events=outbox,
        clock=clock,
        check_s=settings.alarms.check_s,
    )
    port = settings.metrics.port

    def page() -> Callable[[], bytes]:
        # Imported when it is wanted: the library takes 1.5 MB.
        from gateway.agent.metrics import Figures, Sources

        sources = Sources(
            version=version,
            snapshots=fleet.snapshots,
            host=lambda: host.sample,
            link=lambda: link.sample,
            bus=link,
            alarms=lambda: alarms.standing,
            outbox=outbox.standing,
            decoder_deaths=decoder_deaths,
        )
        return Figures(sources, clock=clock).page

    figures = bytes if port is None else page()
    return Watch(host, alarms, MetricsServer(figures, port=port))


def undone(said: Reported) -> Finding:
    """Return whether the centre's newest configuration was tried and did not work.

    One that somebody cancelled was undone on purpose.
    """
    bad = said.state == "rolled_back" and said.why != "cancel"
    arguments = {} if said.version is None else {"ver": said.version}
    return Finding("config.undone", bad, Reason.ROLLED_BACK, "major", arguments)
