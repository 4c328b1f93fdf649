"""Bytes of an RTSP connection taken apart, whole or broken."""

from __future__ import annotations

import asyncio
import random
import ssl
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.model.errors import SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtsp.budget import RESYNCS, CameraBudget
from gateway.rtsp.connection import tls_context
from gateway.rtsp.messages import (
    MOST_BODY_BYTES,
    Malformed,
    Response,
    ServerRequest,
    encode_request,
    parse_head,
)
from gateway.rtsp.parser import MOST_GARBAGE_BYTES, Batch, RtspParser
from tests.fixtures.calls import calls_of
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.tcp import tcp_server
from tests.unit.rtsp.scripted import self_signed

CAPTURES = Path(__file__).parents[2] / "data" / "rtsp"
RTP = b"\x80\x60" + bytes(10) + b"payload"
RTCP = b"\x80\xc8\x00\x06" + bytes(24)
OK = b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n"


def frame(channel: int, packet: bytes) -> bytes:
    return b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet


def playing() -> RtspParser:
    wire = RtspParser()
    wire.set_channels(0, 1, 96)
    return wire


def feed(wire: RtspParser, received: bytes, sizes: list[int] | None = None) -> Batch:
    """Write *received* to *wire* in reads of *sizes* bytes, the last again and again."""
    whole = Batch()
    at = turn = 0
    while at < len(received):
        space = wire.get_buffer()
        size = len(space) if not sizes else min(len(space), sizes[min(turn, len(sizes) - 1)])
        piece = received[at : at + size]
        space[: len(piece)] = piece
        batch = wire.feed(len(piece))
        whole.rtp += batch.rtp
        whole.rtcp += batch.rtcp
        whole.messages += batch.messages
        at, turn = at + len(piece), turn + 1
    return whole


def test_packets_come_out_whole_and_by_channel() -> None:
    """RTP of the video and RTCP are told apart; a channel that was not set up is dropped."""
    wire = playing()

    batch = feed(wire, frame(0, RTP) + frame(1, RTCP) + frame(2, RTP) + OK + frame(0, RTP))

    assert (batch.rtp, batch.rtcp, len(batch.messages)) == ([RTP, RTP], [RTCP], 1)
    assert (wire.unknown_frames, wire.resyncs) == (1, 0)


def test_a_body_may_look_like_a_frame() -> None:
    """The body's bytes are not searched for anything."""
    batch = feed(playing(), b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n$\0\0\1x" + OK, [3])

    assert [m.body for m in batch.messages] == [b"$\0\0\1x", b""]


def test_requests_of_the_server_are_recognised() -> None:
    """ANNOUNCE and OPTIONS come from the server's side too."""
    (message,) = feed(playing(), b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n").messages

    assert isinstance(message, ServerRequest)
    assert (message.method, message.cseq) == ("OPTIONS", 3)


@pytest.mark.parametrize("garbage", [b"\x00" * 50, b"x$y$", b"$\0\0", b"RTSX", b"\xff" * 3000])
def test_framing_is_found_again_after_garbage(garbage: bytes) -> None:
    """What follows the garbage comes out, and the loss is counted once."""
    wire = playing()

    batch = feed(wire, frame(0, RTP) + b"\x07" + garbage + frame(0, RTP) + OK)

    assert batch.rtp == [RTP, RTP]
    assert len(batch.messages) == 1
    assert wire.resyncs == 1


def test_bytes_missing_from_a_frame_cost_few_packets() -> None:
    """A camera that drops the rest of a frame swallows the next one, and then we are back."""
    wire = playing()
    large = b"\x80\x60" + bytes(1000)

    batch = feed(wire, frame(0, large)[:600] + frame(0, RTP) + frame(0, large) * 3)

    assert batch.rtp.count(large) >= 2


def test_before_the_stream_garbage_ends_the_connection() -> None:
    """Nothing interleaved is expected yet, so there is nothing to find again."""
    wire = RtspParser()

    feed(wire, b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert wire.error is not None


@pytest.mark.parametrize(
    "received",
    [
        b"RTSP/1.0 200 OK\r\n" + b"X-A: b\r\n" * 3000,
        b"RTSP/1.0 200 OK\r\nX-A: " + b"b" * 20_000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 1500000000\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 100 + b"\r\n",
        b"RTSP/1.0 2x0 OK\r\n\r\n",
    ],
)
def test_what_exceeds_a_bound_ends_the_connection(received: bytes) -> None:
    """Endless headers and giant bodies are refused before they are held."""
    wire = playing()

    feed(wire, received)

    assert wire.error is not None


def test_endless_garbage_ends_the_connection() -> None:
    """Looking for the framing is not kept up for ever."""
    wire = playing()

    feed(wire, b"\x01" * (MOST_GARBAGE_BYTES + 1000))

    assert wire.error is not None


@pytest.mark.parametrize("piece", [b"$", b"R", b"$\0", b"RTSP/1.0", b"$\x01\x00\x04\x80\xc8"])
def test_lost_framing_is_searched_in_one_pass(piece: bytes) -> None:
    """The calls that a read costs do not grow with its length."""
    counts = []
    for size in (1_000, 30_000):
        wire = playing()
        feed(wire, b"\x07")
        counts.append(calls_of(partial(feed, wire, piece * (size // len(piece)))))

    assert counts[1] <= counts[0]


def test_losing_the_framing_again_and_again_is_abuse() -> None:
    """A camera that can be parsed only by searching costs too much."""
    wire = RtspParser(CameraBudget(FakeClock()))
    wire.set_channels(0, 1, 96)

    batch = feed(wire, (b"$\x01\x00\x08\x80\xc8" + bytes(8)) * 1_000)

    assert isinstance(wire.error, SourceUnavailable)
    assert wire.error.reason is Reason.ABUSIVE
    assert not batch.rtcp
    assert wire.resyncs == RESYNCS.burst + 1


_pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([frame(0, RTP), frame(1, RTCP), frame(3, RTP), OK, b"\r\n", b"$", b"R"]),
        st.sampled_from(
            [b"RTSP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", b"RTSP/1.0 ", b"OPTIONS"]
        ),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(received=_pieces, sizes=st.lists(st.integers(1, 30), min_size=1, max_size=20))
@example(received=b"\x01$\0\0\x0c\x80\x60" + bytes(10), sizes=[1])
def test_any_bytes_in_any_split_give_the_same(received: bytes, sizes: list[int]) -> None:
    """Reads of any size bring what one read would, and nothing ever raises."""
    at_once, split = playing(), playing()

    first, second = feed(at_once, received), feed(split, received, sizes)

    assert first == second
    assert at_once.resyncs == split.resyncs
    assert (at_once.error is None) == (split.error is None)


@pytest.mark.parametrize(
    ("name", "payload_type", "packets", "messages"),
    [("gstreamer-h264", 96, 123, 5), ("gstreamer-h265", 99, 87, 6)],
)
def test_a_captured_session_comes_apart(
    name: str, payload_type: int, packets: int, messages: int
) -> None:
    """A real server's bytes, in reads of 1,448: all packets, all answers, no loss of framing."""
    wire = RtspParser()
    wire.set_channels(0, 1, payload_type)

    batch = feed(wire, (CAPTURES / f"{name}.bin").read_bytes(), [1448])

    assert (len(batch.rtp), len(batch.messages), wire.resyncs) == (packets, messages, 0)
    assert all(packet[1] & 0x7F == payload_type for packet in batch.rtp)
    assert batch.rtcp


@pytest.mark.parametrize("seed", range(20))
def test_a_captured_session_with_holes_is_mostly_saved(seed: int) -> None:
    """Ten holes of up to 2 kB cost packets and resyncs, never the connection."""
    chance = random.Random(seed)
    received = bytearray((CAPTURES / "gstreamer-h264.bin").read_bytes())
    for _ in range(10):
        at = chance.randrange(2_000, len(received))
        del received[at : at + chance.randrange(1, 500)]
    wire = playing()

    batch = feed(wire, bytes(received), [1448])

    assert len(batch.rtp) >= 80
    assert wire.error is None or "first line" in str(wire.error)


@given(st.binary(max_size=300))
def test_a_head_is_read_or_malformed(head: bytes) -> None:
    """Nothing but `Malformed` comes out of the header parser."""
    try:
        message, length = parse_head(head)
    except Malformed:
        return
    assert isinstance(message, Response | ServerRequest)
    assert 0 <= length <= MOST_BODY_BYTES


def test_a_request_cannot_be_broken_out_of() -> None:
    """A line end in a field is a bug of the caller, not a second request."""
    with pytest.raises(ValueError, match="control"):
        encode_request("OPTIONS", "rtsp://h/", 1, {"Session": "1\r\nX: y"})


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=60))
def test_connections_that_take_turns_do_not_mix(turns: list[tuple[int, int]]) -> None:
    """They share the space; what a read leaves incomplete is each one's own."""
    packets = [[RTP + bytes([name, n]) for n in range(20)] for name in range(3)]
    streams = [b"".join(frame(0, packet) for packet in own) for own in packets]
    wires = [playing() for _ in streams]
    taken: list[list[bytes]] = [[] for _ in streams]
    at = [0] * len(streams)

    for name, size in [*turns, *((name, 4_000) for name in range(3))]:
        taken[name] += feed(wires[name], streams[name][at[name] : at[name] + size]).rtp
        at[name] += size

    assert taken == packets
    assert [wire.resyncs for wire in wires] == [0, 0, 0]


class Turns(asyncio.BufferedProtocol):
    """Notes when it is asked for space and when something has been written there."""

    def __init__(self, log: list[tuple[str, int]]) -> None:
        self._log = log
        self._space = bytearray(512)
        self.received = 0
        self.over = asyncio.Event()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        self._log.append(("space", id(self)))
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        self._log.append(("written", id(self)))
        self.received += nbytes

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.over.set()


@pytest.mark.parametrize("secured", [False, True])
async def test_asyncio_writes_to_the_space_in_the_turn_it_asks_for_it(
    secured: bool, tmp_path: Path
) -> None:
    """Of many connections at once, with TLS and without: nothing comes between the two calls."""
    context = None
    if secured:
        certificate, key = tmp_path / "cam.pem", tmp_path / "cam.key"
        self_signed("camera.lan", certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    log: list[tuple[str, int]] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _turn in range(40):
            writer.write(bytes(700))
            await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(HANG_S), tcp_server(serve, tls=context) as port:
        tls = tls_context() if secured else None
        ends = [
            (await loop.create_connection(lambda: Turns(log), "127.0.0.1", port, ssl=tls))[1]
            for _ in range(4)
        ]
        for end in ends:
            await end.over.wait()

    assert [end.received for end in ends] == [40 * 700] * 4
    written = [index for index, (call, _) in enumerate(log) if call == "written"]
    assert all(log[index - 1] == ("space", log[index][1]) for index in written)


def test_a_camera_may_choose_high_channels() -> None:
    """The framing is not lost at each of its RTCP packets."""
    wire = RtspParser()
    wire.set_channels(200, 201, 96)

    batch = feed(wire, (frame(200, RTP) + frame(201, RTCP)) * 3 + frame(200, RTP))

    assert (len(batch.rtp), len(batch.rtcp), wire.resyncs) == (4, 3, 0)
