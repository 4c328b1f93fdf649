"""MPEG-TS over UDP: who may send, how it is wrapped, and every way to fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from ipaddress import ip_network
from itertools import count

import pytest

from gateway.cameras.probe import Step, probe
from gateway.model.errors import GatewayError, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.rtp.packet import build_header
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.registry import source_type, url_policy
from gateway.sources.udp_source import UdpSource
from gateway.transcoding.capacity import Capacity
from tests.fixtures.clock import HANG_S
from tests.fixtures.containers import container
from tests.fixtures.sinks import RecordingSink

CLOCK = SystemClock()
CAMERA, STRANGER = "127.0.0.5", "127.0.0.6"
GROUP = "239.255.7.7"
DATAGRAM_BYTES = 7 * 188
SEQUENCE = count()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


def source(port: int, host: str = CAMERA, *, stall_s: float = 20.0) -> UdpSource:
    stream = StreamConfig(url=f"udp://{host}:{port}", stall_s=stall_s)
    made = source_type(stream.url).create(
        CameraConfig(id="c1", name="udp", streams=(stream,)),
        stream,
        password=None,
        policy=url_policy((ip_network("127.0.0.0/28"),), (port,), opened=("udp",)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1_180,
        clock=CLOCK,
        capacity=Capacity(4.0),
    )
    assert isinstance(made, UdpSource)
    return made


def plain(data: bytes) -> Iterator[bytes]:
    """Return datagrams of seven packets."""
    return (data[at : at + DATAGRAM_BYTES] for at in range(0, len(data), DATAGRAM_BYTES))


def in_rtp(data: bytes, payload_type: int = 33) -> Iterator[bytes]:
    """Return the same in RTP, numbered on from call to call."""
    for number, piece in zip(SEQUENCE, plain(data), strict=False):
        yield build_header(payload_type, False, number, number * 90, 7) + piece


@contextmanager
def sender(address: str) -> Iterator[socket.socket]:
    """Return a socket that sends from *address*, also to groups."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((address, 0))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        yield made


async def watched(
    pulled: UdpSource,
    port: int,
    datagrams: Callable[[bytes], Iterator[bytes]] = plain,
    *,
    to: str = "127.0.0.1",
    of: str = CAMERA,
    pictures: int = 25,
    disturb: bytes = b"",
) -> RecordingSink:
    """Return what comes while *of* sends a container again and again."""
    sink = RecordingSink(pictures)

    async def send() -> None:
        with sender(of) as camera, sender(STRANGER) as stranger:
            while True:
                for datagram in datagrams(container("mpegts")):
                    if disturb:
                        stranger.sendto(disturb, (to, port))
                    camera.sendto(datagram, (to, port))
                    await asyncio.sleep(0.001)

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(pulled.run(sink), name="run")
        sending = group.create_task(send(), name="send")
        await sink.enough.wait()
        running.cancel()
        sending.cancel()
    return sink


async def failure(pulled: UdpSource) -> GatewayError:
    """Return what ends *pulled*."""
    async with asyncio.timeout(HANG_S):
        with pytest.raises(GatewayError) as caught:
            await pulled.run(RecordingSink())
    return caught.value


def in_free_type(data: bytes) -> Iterator[bytes]:
    """Return it in RTP of a payload type that says nothing."""
    return in_rtp(data, 96)


@pytest.mark.parametrize("datagrams", [plain, in_rtp, in_free_type])
async def test_what_the_camera_sends_plays(
    datagrams: Callable[[bytes], Iterator[bytes]],
) -> None:
    """Plain and in RTP; the child starts while the first packets wait in the kernel."""
    port = free_port()
    sink = await watched(source(port), port, datagrams)

    assert sink.video is not None
    assert sink.video.codec == "h264"
    assert any(unit.keyframe for unit in sink.units)


@pytest.mark.parametrize("first", [b"", b"\0\1\0\0"])
async def test_what_is_neither_decides_nothing(first: bytes) -> None:
    """An empty datagram before the stream, or one for a NAT: it is plain MPEG-TS all the same."""

    def preceded(data: bytes) -> Iterator[bytes]:
        yield first
        yield from plain(data)

    port = free_port()
    sink = await watched(source(port, stall_s=2.0), port, preceded)

    assert sink.units


async def test_a_multicast_group_is_joined() -> None:
    """On the interface that leads to the camera networks."""
    port = free_port()
    sink = await watched(source(port, GROUP), port, to=GROUP)

    assert len(sink.units) >= 25


async def test_strangers_are_not_heard() -> None:
    """Whatever they send to the camera's port; they are counted."""
    port = free_port()
    pulled = source(port)
    sink = await watched(pulled, port, disturb=container("mpegts", gop=3)[:DATAGRAM_BYTES])

    assert pulled.counters.discarded > 10
    assert [unit.keyframe for unit in sink.units[:21]].count(True) <= 3


async def test_a_group_is_sent_to_from_the_camera_networks_only() -> None:
    """127.0.0.0/28 here."""
    port = free_port()
    with sender("127.0.0.99") as stranger, sender(CAMERA) as camera:
        pulled = source(port, GROUP)
        checking = asyncio.create_task(pulled.check())
        await asyncio.sleep(0.05)
        for _ in range(5):
            stranger.sendto(container("mpegts")[:DATAGRAM_BYTES], (GROUP, port))
        await asyncio.sleep(0.05)
        assert not checking.done()
        camera.sendto(container("mpegts")[:DATAGRAM_BYTES], (GROUP, port))
        async with asyncio.timeout(HANG_S):
            await checking

    assert pulled.counters.discarded == 5


async def test_silence_names_who_sends_instead() -> None:
    """The usual mistake: the encoder has another address than the site document says."""
    port = free_port()
    with sender(STRANGER) as stranger:
        failing = asyncio.create_task(failure(source(port, stall_s=2.0)))
        await asyncio.sleep(0.3)
        stranger.sendto(b"G" * 188, ("127.0.0.1", port))
        error = await failing

    assert error.reason is Reason.STALLED
    assert f"{STRANGER} sends there" in error.detail


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (build_header(96, False, 1, 90, 7) + bytes(300), "RTP of payload type 96"),
        (build_header(0, False, 1, 90, 7) + bytes(160), "RTP of payload type 0"),
        (b"ftyp" * 50, "something else"),
    ],
    ids=["video", "sound", "no RTP"],
)
async def test_silence_names_what_the_camera_sends_instead(sent: bytes, told: str) -> None:
    """An encoder that is set to plain RTP, or to anything else."""
    port = free_port()
    with sender(CAMERA) as camera:
        failing = asyncio.create_task(failure(source(port, stall_s=2.0)))
        while not failing.done():
            camera.sendto(sent, ("127.0.0.1", port))
            await asyncio.wait([failing], timeout=0.1)
        error = await failing

    assert error.reason is Reason.STALLED
    assert f"it sends {told}: set it to MPEG-TS" in error.detail


async def test_a_port_that_is_taken_is_told() -> None:
    """Each camera has one of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = int(other.getsockname()[1])
        error = await failure(source(port))

    assert error.reason is Reason.REFUSED
    assert "in use here" in error.detail


async def test_lost_rtp_packets_are_counted() -> None:
    """By their numbers."""
    port = free_port()
    pulled = source(port)

    def lossy(data: bytes) -> Iterator[bytes]:
        for number, packet in enumerate(in_rtp(data)):
            if number % 20 != 7:
                yield packet

    await watched(pulled, port, lossy, pictures=15)

    assert pulled.counters.lost > 3


async def test_a_picture_with_a_gap_is_left_out() -> None:
    """And after a broken keyframe all, until the next."""
    port = free_port()
    pulled = source(port)
    whole = container("mpegts")
    cut = bytearray(whole)

    def damaged(_: bytes) -> Iterator[bytes]:
        pieces = list(plain(bytes(cut)))
        del pieces[2]
        return iter(pieces)

    sink = await watched(pulled, port, damaged, pictures=20)

    assert pulled.counters.discarded > 0
    assert len(sink.units) >= 20


async def test_a_flood_ends_the_session() -> None:
    """More than a camera sends; counted, not timed."""
    port = free_port()
    pulled = source(port)
    with pytest.raises(ExceptionGroup) as caught:
        await watched(
            pulled, port, lambda _: iter([b"\x47" + bytes(60_159)] * 2_000), pictures=1 << 30
        )

    (error,) = caught.value.exceptions
    assert isinstance(error, SourceUnavailable)
    assert error.reason is Reason.ABUSIVE


async def probed(port: int) -> dict[str, Step]:
    policy = url_policy((ip_network("127.0.0.0/28"),), (port,), opened=("udp",))
    walk = probe(
        f"udp://{CAMERA}:{port}",
        username=None,
        password=None,
        allow_basic=False,
        policy=policy,
        watch_s=3.0,
    )
    async with asyncio.timeout(HANG_S), aclosing(walk) as steps:
        return {step.name: step async for step in steps}


async def test_the_probe_tells_who_sends_what() -> None:
    """Address, wrapping, codec."""
    port = free_port()

    async def send() -> None:
        with sender(CAMERA) as camera:
            while True:
                for datagram in plain(container("mpegts", pictures=150)):
                    camera.sendto(datagram, ("127.0.0.1", port))
                    await asyncio.sleep(0.001)

    sending = asyncio.create_task(send())
    steps = await probed(port)
    sending.cancel()

    assert steps["connect"].fact.startswith(CAMERA)
    assert "plain" in steps["connect"].fact
    assert "160x96" in steps["codec"].fact
    assert [name for name, step in steps.items() if not step.ok] == []


async def test_the_probe_tells_that_nobody_sends() -> None:
    """Within its time."""
    steps = await probed(free_port())

    assert steps["connect"].reason is Reason.STALLED
