"""What one camera may cost by the fast path: so much in a turn, so much a second."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from random import Random

import pytest

from gateway.fastpath import Forwarder
from gateway.model.errors import SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtsp.budget import PICTURES, STRANGERS
from tests.attack.cameras import rtp
from tests.fixtures.camera_stream import FakeCameraStream
from tests.fixtures.fastpath_datagrams import Datagram, DatagramPipeline, datagrams
from tests.fixtures.fastpath_scenarios import Pipeline

AMPLE = (1e9, 1e9)
MAX_READ_BYTES, MAX_READ_UNITS = 65_536, 64
SLICE = b"\x41\x9a"


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a camera's connection, with room for all that a test sends."""
    near, far = socket.socketpair()
    for end in (near, far):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    with near, far:
        yield near, far


def started(near: socket.socket, *budget: tuple[float, float]) -> Forwarder:
    """Return a forwarder that reads *near* from packet 1 on, to nobody."""
    forwarder = Forwarder(
        near.fileno(),
        rtp_channel=0,
        rtcp_channel=1,
        payload_type=96,
        payload_format=CODEC_SYNTAX["h264"].payload_format,
        max_payload_bytes=1180,
        max_buffered=10_000,
        retain_s=2.0,
        budget=(*budget, *[AMPLE] * 5)[:5],
        on_buffer_full=lambda: None,
        on_fallback=lambda: None,
        on_superseded=lambda: None,
        on_rtcp=lambda: None,
    )
    forwarder.start((), seq=1, rtp_time=0, time_90k=0)
    return forwarder


def pictures(count: int, size: int) -> bytes:
    """Return *count* ordinary pictures with *size* bytes of payload each."""
    return b"".join(rtp(n, 3_000 * n, SLICE + bytes(size - 2)) for n in range(1, count + 1))


def test_a_turn_is_so_many_bytes(line: tuple[socket.socket, socket.socket]) -> None:
    """The rest waits in the kernel, behind the other cameras."""
    near, far = line
    far.send(pictures(100, 1_100))
    forwarder = started(near)

    forwarder.read_once()

    _, size, *_ = forwarder.take_counts()
    assert 0 < size <= MAX_READ_BYTES
    assert not forwarder.over_budget


def test_a_turn_is_so_many_pictures(line: tuple[socket.socket, socket.socket]) -> None:
    """Of more than that Python is told; nothing of them is lost."""
    near, far = line
    sent = pictures(MAX_READ_UNITS + 9, 20)
    far.send(sent)
    forwarder = started(near)

    forwarder.read_once()

    _, _, units, *_ = forwarder.take_counts()
    assert units == MAX_READ_UNITS
    assert not forwarder.over_budget
    assert forwarder.stop() == sent[len(pictures(MAX_READ_UNITS, 20)) :]


@pytest.mark.parametrize(
    "budget",
    [
        ((0.0, 10_000.0),),
        (AMPLE, (0.0, 20.0)),
        (AMPLE, AMPLE, (0.0, 30.0)),
        (AMPLE, AMPLE, AMPLE, (0.0, 3_000.0)),
    ],
    ids=["bytes", "packets", "pictures", "copied"],
)
def test_what_exceeds_the_budget_is_not_relayed(
    budget: tuple[tuple[float, float], ...], line: tuple[socket.socket, socket.socket]
) -> None:
    """It falls back and says why, with all that it has read and not relayed."""
    near, far = line
    sent = pictures(40, 1_000)
    forwarder = started(near, *budget)
    relayed = at = 0
    while not forwarder.over_budget:
        assert at < len(sent)
        far.send(sent[at : at + 500])
        at += 500
        forwarder.read_once()

    _, size, units, *_ = forwarder.take_counts()
    relayed = size + 4 * units
    assert 0 < units < 40
    assert sent[relayed:at] == forwarder.stop()


async def test_strangers_at_its_port_end_the_session_as_without_the_fast_path() -> None:
    """What is dropped is charged, and counted."""
    pipeline = DatagramPipeline(fast_path=True)
    camera = FakeCameraStream("h264")
    camera.keyframe()
    for piece in datagrams([bytes(camera.sent)], Random(1)):
        pipeline.camera_sends(piece)
    assert pipeline.paused

    for _ in range(int(STRANGERS.burst)):
        pipeline.camera_sends([Datagram(b"", stranger=True)] * 90)
        if not pipeline.open:
            break

    error = pipeline.connection._broken
    assert isinstance(error, SourceUnavailable)
    assert error.reason is Reason.ABUSIVE
    assert pipeline.pair.unknown_senders > STRANGERS.burst
    pipeline.close()


async def test_a_camera_that_floods_the_fast_path_is_cut_off() -> None:
    """As it is where Python relays."""
    pipeline = Pipeline(fast_path=True)
    camera = FakeCameraStream("h264")
    camera.keyframe()
    for _ in range(int(PICTURES.burst) + 50):
        camera.p()
        pipeline.camera_sends(bytes(camera.sent))
        camera.sent.clear()
        if pipeline.transport.aborted:
            break

    assert pipeline.transport.aborted
    error = pipeline.connection._broken
    assert isinstance(error, SourceUnavailable)
    assert error.reason is Reason.ABUSIVE
    assert pipeline.counters.units >= PICTURES.burst
    pipeline.close()
