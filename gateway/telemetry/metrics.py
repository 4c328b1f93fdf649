"""Metrics in Prometheus' text format. Only here is its library used.

Everything is read at the moment of the scrape; nothing is kept but the cameras of the previous
scrape, from which rates are computed.

Source: Prometheus, "Metric and label naming": base units, counters end in ``_total``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.health.camera_health import health_of
from gateway.model.alarm import Alarm
from gateway.model.health import CameraHealth, CameraSnapshot, ChildDeaths, HostSample, LinkSample
from gateway.mqtt.payloads.presence import BirthOutbox
from gateway.ports import Bus, Clock
from gateway.runtime.bugs import bug_counts

_PREFIX = "camera_gateway_"
_UP = {"on": 1.0, "deg": 1.0, "off": 0.0}


@dataclass(frozen=True, slots=True)
class MetricsSources:
    """Where the values come from.

    Attributes:
        version: Of this program.
        snapshots: Returns the cameras as they are now.
        host: Returns the newest sample of the machine.
        link: Returns the counters of the connection.
        bus: Tells whether the gateway is connected.
        alarms: Returns the alarms that are raised.
        outbox: Returns how many events wait to be sent; None: it is not known.
        child_deaths: Returns how many child processes have died.
        inbound_drops: Returns how many datagrams of viewers and strangers were dropped, by cause.
        bugs: Returns how many bugs were contained, by boundary.
    """

    version: str
    snapshots: Callable[[], tuple[CameraSnapshot, ...]]
    host: Callable[[], HostSample]
    link: Callable[[], LinkSample]
    bus: Bus
    alarms: Callable[[], Iterable[Alarm]]
    outbox: Callable[[], BirthOutbox | None] = lambda: None
    child_deaths: Callable[[], ChildDeaths] = ChildDeaths
    inbound_drops: Callable[[], Mapping[str, int]] = dict
    bugs: Callable[[], Mapping[str, int]] = bug_counts


class MetricsCollector(Collector):
    """Writes the page that Prometheus scrapes.

    Args:
        sources: Where the values come from.
        clock: Monotonic.
    """

    def __init__(self, sources: MetricsSources, *, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._before: tuple[float, dict[str, CameraSnapshot]] = (clock.now(), {})
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def page(self) -> bytes:
        """Return the page with the values of now."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, or else prometheus_client would collect: rates begin with a scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics (the interface of prometheus_client)."""
        sources = self._sources
        build = GaugeMetricFamily(_PREFIX + "build", "Which program this is.", labels=["version"])
        build.add_metric([sources.version], 1.0)
        yield build
        yield from self._cameras()
        yield from _host(sources.host())
        yield from _link(sources.link(), connected=sources.bus.connected)
        yield from _outbox(sources.outbox())
        deaths = sources.child_deaths()
        for name, what, value in (
            ("decoder_deaths", "Decoders that died.", deaths.decoder_deaths),
            ("slate_deaths", "Children that make slates, that died.", deaths.slate_deaths),
        ):
            yield CounterMetricFamily(_PREFIX + name, what, value=value)
        yield _inbound_drops(sources.inbound_drops())
        yield _bugs(sources.bugs())
        yield _alarms(sources.alarms())

    def _cameras(self) -> Iterator[Metric]:
        now_s, now = self._clock.now(), self._sources.snapshots()
        before_s, before = self._before
        self._before = (now_s, {each.id: each for each in now})
        health = [health_of(each, now_s, before.get(each.id), before_s) for each in now]
        yield _by_camera("up", "1: can be watched, 0: not; absent: unknown.", health, _up)
        yield _by_camera("fps", "Access units per second since the last scrape.", health, _fps)
        yield _by_camera("kbps", "Received since the last scrape.", health, _kbps)
        yield _by_camera("viewers", "Sessions that watch it.", health, lambda each: each.viewers)
        for name, text, field in (
            ("access_units", "Access units read.", "units"),
            ("received_bytes", "Bytes of RTP payload read.", "received_bytes"),
            ("lost_packets", "RTP packets missing.", "lost"),
            ("sessions", "RTSP sessions opened.", "sessions"),
        ):
            family = CounterMetricFamily(f"{_PREFIX}camera_{name}", text, labels=["camera"])
            for each in now:
                family.add_metric([each.id], getattr(each.counters, field))
            yield family


def _by_camera(
    name: str,
    text: str,
    cameras: Iterable[CameraHealth],
    value: Callable[[CameraHealth], float | None],
) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}camera_{name}", text, labels=["camera"])
    for each in cameras:
        if (figure := value(each)) is not None:
            family.add_metric([each.id], figure)
    return family


def _up(camera: CameraHealth) -> float | None:
    return _UP.get(camera.state)


def _fps(camera: CameraHealth) -> float:
    return camera.fps


def _kbps(camera: CameraHealth) -> float:
    return camera.kbps


def _host(host: HostSample) -> Iterator[Metric]:
    for name, text, value, unit in (
        ("host_cpu_ratio", "Busy, of all cores.", host.cpu_percent, 0.01),
        ("host_memory_used_ratio", "Used memory.", host.memory_percent, 0.01),
        ("host_disk_used_ratio", "Used, of the state folder's disk.", host.disk_percent, 0.01),
        ("host_disk_read_only", "Whether that disk refuses writes.", host.disk_read_only, 1),
        ("host_temperature_celsius", "Of the processor.", host.temperature_c, 1),
        ("host_throttled_bits", "Bits of vcgencmd get_throttled.", host.throttled, 1),
        ("host_uptime_seconds", "Of the machine.", host.uptime_s, 1),
        ("host_clock_synced", "Whether the clock is synchronised.", host.clock_synced, 1),
        ("host_clock_offset_seconds", "What is left to correct.", host.clock_offset_ms, 0.001),
        ("host_sent_kbps", "On the interface of the default route.", host.sent_kbps, 1),
        ("host_received_kbps", "On the same.", host.received_kbps, 1),
        ("process_resident_bytes", "Memory of this process.", host.rss_mib, 2**20),
        ("process_written_bytes", "To disks, by this process.", host.written_mib, 2**20),
        ("process_descriptors", "Open files and sockets.", host.descriptors, 1),
    ):
        if value is not None:
            yield GaugeMetricFamily(_PREFIX + name, text, value=value * unit)


def _link(link: LinkSample, *, connected: bool) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        _PREFIX + "link_up", "Whether the gateway is connected.", value=connected
    )
    yield GaugeMetricFamily(_PREFIX + "link_waiting", "Publications under way.", value=link.waiting)
    yield CounterMetricFamily(
        _PREFIX + "link_connects", "Connections accepted.", value=link.connects
    )
    yield CounterMetricFamily(_PREFIX + "link_dropped", "Publications dropped.", value=link.dropped)
    yield CounterMetricFamily(_PREFIX + "link_refused", "Publications refused.", value=link.refused)
    if link.rtt_ms is not None:
        yield GaugeMetricFamily(
            _PREFIX + "link_rtt_seconds", "The newest round trip.", value=link.rtt_ms / 1000
        )


def _outbox(outbox: BirthOutbox | None) -> Iterator[Metric]:
    if outbox is not None:
        yield GaugeMetricFamily(
            _PREFIX + "outbox_pending", "Records waiting.", value=outbox.pending
        )
        yield GaugeMetricFamily(_PREFIX + "outbox_oldest_seconds", "Oldest.", value=outbox.oldest_s)
        yield CounterMetricFamily(_PREFIX + "outbox_lost", "Records given up.", value=outbox.lost)


def _inbound_drops(counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        _PREFIX + "inbound_drops", "Dropped at the viewers' ports.", labels=["cause"]
    )
    for cause, number in counts.items():
        family.add_metric([cause], number)
    return family


def _bugs(counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        _PREFIX + "bugs_contained", "Unexpected exceptions, by what they ended.", labels=["where"]
    )
    for boundary, number in sorted(counts.items()):
        family.add_metric([boundary], number)
    return family


def _alarms(alarms: Iterable[Alarm]) -> Metric:
    family = GaugeMetricFamily(
        _PREFIX + "alarms", "Alarms that are raised.", labels=["severity", "cause", "explained"]
    )
    counts = Counter((each.severity, each.cause, each.parent is not None) for each in alarms)
    for (severity, cause, explained), number in sorted(counts.items()):
        family.add_metric([severity, cause, str(explained).lower()], number)
    return family
