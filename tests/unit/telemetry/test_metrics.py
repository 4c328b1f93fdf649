"""The figures for Prometheus, and who gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.demo.config_files import free_port
from gateway.model.alarm import Alarm
from gateway.model.health import CameraSnapshot, ChildDeaths, HostSample, LinkSample
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.presence import BirthOutbox
from gateway.ports import InboundMessage, OutboundMessage
from gateway.telemetry.metrics import MetricsCollector, MetricsSources
from gateway.telemetry.metrics_server import (
    MAX_CONNECTIONS,
    REQUEST_BYTES,
    MetricsServer,
    handle_request,
)
from tests.fixtures.clock import HANG_S, FakeClock

GOOD = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n"


class Bus:
    """A bus that is connected."""

    connected = True

    def publish(self, message: OutboundMessage) -> None:
        """Nothing is posted here."""

    def acknowledge(self, message: InboundMessage) -> None:
        """Nothing comes in here."""


class Box:
    """Cameras, a machine and alarms that a test can change."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cameras = (
            CameraSnapshot("c01", "Sảnh", True, Reason.OK, 0.0, viewers=2),
            CameraSnapshot("c02", "Quầy", True, Reason.TIMEOUT, 0.0),
            CameraSnapshot("c03", "Kho", False, Reason.PAUSED_BY_CONFIG, 0.0),
        )
        self.figures = MetricsCollector(
            MetricsSources(
                version="1.4.2",
                snapshots=lambda: self.cameras,
                host=lambda: HostSample(cpu_percent=41.5, temperature_c=61.2, clock_synced=True),
                link=lambda: LinkSample(connects=3, dropped=2),
                bus=Bus(),
                alarms=lambda: (
                    Alarm("cam.c02.down", "1", True, "major", 0, Reason.TIMEOUT),
                    Alarm("x", "2", True, "major", 0, Reason.TIMEOUT, parent="y"),
                ),
                outbox=lambda: BirthOutbox(pending=7),
                child_deaths=lambda: ChildDeaths(slate_deaths=3, decoder_deaths=2),
                inbound_drops=lambda: {"stun_shape": 40, "unchecked": 0},
            ),
            clock=self.clock,
        )

    def read(self) -> dict[str, float]:
        """Name and labels of each figure -> its value."""
        text = self.figures.page().decode()
        return {
            ",".join([sample.name.removeprefix("camera_gateway_"), *sample.labels.values()]): (
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def test_prometheus_can_read_the_page() -> None:
    """Cameras by their id, the machine, the link, the outbox and the alarms."""
    read = Box().read()

    assert read["build,1.4.2"] == 1
    assert read["camera_viewers,c01"] == 2
    assert read["host_cpu_ratio"] == pytest.approx(0.415)
    assert read["link_up"] == 1
    assert read["link_connects_total"] == 3
    assert read["outbox_pending"] == 7
    assert read["decoder_deaths_total"] == 2
    assert read["slate_deaths_total"] == 3
    assert read["inbound_drops_total,stun_shape"] == 40
    assert read["inbound_drops_total,unchecked"] == 0
    assert read["alarms,TIMEOUT,false,major"] == 1
    assert read["alarms,TIMEOUT,true,major"] == 1


def test_what_nobody_knows_is_no_figure() -> None:
    """A camera that is not looked at is neither up nor down; no disk, no figure of it."""
    read = Box().read()

    assert {key: read[key] for key in read if key.startswith("camera_up")} == {
        "camera_up,c01": 1,
        "camera_up,c02": 0,
    }
    assert "host_disk_used_ratio" not in read


def test_rates_are_since_the_last_look_and_counters_for_ever() -> None:
    """25 pictures a second for ten seconds."""
    box = Box()
    box.read()
    box.clock.time_s += 10
    counters = SourceCounters(units=250, received_bytes=1_250_000, packets=1000, lost=3)
    box.cameras = (replace(box.cameras[0], counters=counters), *box.cameras[1:])

    read = box.read()

    assert read["camera_fps,c01"] == 25
    assert read["camera_kbps,c01"] == 1000
    assert read["camera_access_units_total,c01"] == 250
    assert read["camera_lost_packets_total,c01"] == 3


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GOOD, b"200"),
        (GOOD.replace(b"127.0.0.1", b"localhost"), b"200"),
        (GOOD.replace(b"127.0.0.1:9464", b"[::1]:9464"), b"200"),
        (GOOD.replace(b"/metrics", b"/metrics?x=1"), b"200"),
        (GOOD.replace(b"127.0.0.1", b"evil.example"), b"421"),
        (GOOD.replace(b"127.0.0.1", b"127.0.0.1.evil.example"), b"421"),
        (GOOD.replace(b"127.0.0.1", b"x@127.0.0.1"), b"421"),
        (GOOD.replace(b"Host", b"X"), b"421"),
        (GOOD.replace(b"Host", b"Host: localhost\r\nHost"), b"421"),
        (GOOD.replace(b"/metrics", b"/"), b"404"),
        (GOOD.replace(b"GET", b"POST"), b"405"),
        (b"\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
    ],
)
def test_one_page_for_this_machine(request_: bytes, status: bytes) -> None:
    """One path, one method, and only by a name of this machine."""
    said = handle_request(request_, lambda: b"page")

    assert said.split(b" ")[1] == status
    assert said.endswith(b"page") == (status == b"200")


@given(st.binary(max_size=300))
def test_garbage_gets_an_answer_and_no_page(request_: bytes) -> None:
    """Whatever comes; nothing of it is repeated."""
    said = handle_request(request_ + b"\r\n\r\n", lambda: b"page")

    assert said.startswith(b"HTTP/1.1 4")


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    port = free_port()
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(MetricsServer(lambda: b"page", port=port).run(), name="metrics")
        while (line := await connected(port)) is None:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)
        line[1].close()
        yield port
        running.cancel()


async def connected(
    port: int,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        return await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:  # hung up on while we were still speaking
        return b""
    finally:
        writer.close()


async def test_the_connection_ends_with_the_answer() -> None:
    """No keep-alive, so no idle connections."""
    async with serving() as port:
        assert (await asked(port, GOOD)).endswith(b"page")


async def test_a_request_has_a_size() -> None:
    """More than it may have is refused before it is read."""
    async with serving() as port:
        said = await asked(port, GOOD.removesuffix(b"\r\n") + b"X: y\r\n" * REQUEST_BYTES)

    assert said[:12] in (b"HTTP/1.1 431", b"")  # a reset may overtake it


async def test_silent_connections_are_few() -> None:
    """Who asks nothing takes one of a few places; the rest are hung up on at once."""
    async with serving() as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        assert await reader.read() == b""
        for each in (writer, *(line[1] for line in silent)):
            each.close()


async def test_a_port_that_is_taken_is_said_and_nothing_else_happens() -> None:
    """Figures are an extra: the gateway runs without them."""
    async with serving() as port:
        await MetricsServer(lambda: b"", port=port).run()


async def test_without_a_port_nothing_is_served() -> None:
    """The default."""
    await MetricsServer(lambda: b"", port=None).run()
