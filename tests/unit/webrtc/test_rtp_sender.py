"""The hot path over a real socket pair and a real SRTP session."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pylibsrtp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.site_document import Limits
from gateway.streams.reader import Reader
from gateway.webrtc import retransmit_buffer
from gateway.webrtc.aiortc_compat import InPlaceSrtp
from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.playout_delay import playout_delay_extension
from gateway.webrtc.retransmit_buffer import REQUESTED
from gateway.webrtc.rtp_sender import (
    NARROW_AHEAD_S,
    PACE_S,
    RETRANSMIT_CREDIT_S,
    RETRANSMIT_SHARE,
    RtpSender,
)
from gateway.webrtc.udp_path import UdpPath
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S

KEY = bytes(range(28))
PROFILE = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
NUMBERS = RtpParameters(payload_type=96, ssrc=0x1234, rtx_payload_type=97, rtx_ssrc=0x5678)


class Transport:
    """What aioice's datagram transport is to us: something that holds a socket."""

    def __init__(self, own: socket.socket) -> None:
        self._own = own

    def get_extra_info(self, name: str) -> Any:
        return self._own if name == "socket" else None


class Relay:
    """A transport without a socket, as TURN's."""

    def __init__(self, own: socket.socket) -> None:
        self._own = own

    def get_extra_info(self, _name: str) -> None:
        return None

    def sendto(self, datagram: bytes, address: tuple[str, int]) -> None:
        self._own.sendto(datagram, address)


@dataclass
class Line:
    """Two ends of a line, the far one decrypting."""

    near: socket.socket
    far: socket.socket
    srtp: pylibsrtp.Session

    def datagrams(self) -> Iterator[bytes]:
        """Yield what has arrived, encrypted."""
        while True:
            try:
                yield self.far.recv(2048)
            except BlockingIOError:
                return

    def packets(self) -> Iterator[tuple[int, int, int, int, bytes]]:
        """Yield second byte, number, time, SSRC and payload of what has arrived."""
        for datagram in self.datagrams():
            plain = self.srtp.unprotect(datagram)
            first, second, seq, time, ssrc = struct.unpack_from("!BBHII", plain)
            assert first == 0x80
            yield second, seq, time, ssrc, plain[12:]

    def path(self, *, relayed: bool = False) -> UdpPath:
        return UdpPath((Relay if relayed else Transport)(self.near), self.far.getsockname())


@contextmanager
def open_line() -> Iterator[Line]:
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with near, far:
        for end in (near, far):
            end.bind(("127.0.0.1", 0))
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        policy = pylibsrtp.Policy(
            key=KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=PROFILE
        )
        policy.allow_repeat_tx = True
        policy.window_size = 1024
        yield Line(near, far, pylibsrtp.Session(policy))


@pytest.fixture
def line() -> Iterator[Line]:
    with open_line() as opened:
        yield opened


def outbound() -> InPlaceSrtp:
    policy = pylibsrtp.Policy(
        key=KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=PROFILE
    )
    policy.allow_repeat_tx = True
    return InPlaceSrtp(pylibsrtp.Session(policy))


def make(path: UdpPath, pace_bps: float = 1e9) -> RtpSender:
    return RtpSender(NUMBERS, srtp=outbound(), path=path, pace_bps=pace_bps, on_ready=lambda: None)


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(3, 1180), min_size=1, max_size=200))
def test_any_sizes_arrive_whole_and_in_order(sizes: list[int]) -> None:
    """Whatever the batches that segmentation offload makes of them."""
    with open_line() as ends:
        path = ends.path()
        sender = make(path)
        unit = access_unit(1, sizes=tuple(sizes))

        assert sender.send_unit(unit)
        packets = list(ends.packets())

        assert [payload for *_, payload in packets] == list(unit.payloads)
        assert path.offload
        sender.close()
        path.close()


async def test_only_the_last_packet_of_a_picture_has_the_marker(line: Line) -> None:
    """RFC 6184 §5.1."""
    sender = make(line.path())

    sender.send_unit(access_unit(1, sizes=(1180,) * 5 + (20,)))

    assert [second for second, *_ in line.packets()] == [96] * 5 + [96 | 0x80]
    sender.close()
    sender.path.close()


async def test_numbers_go_on_across_the_wrap(line: Line) -> None:
    """16 bits on the wire, the roll-over counter of SRTP in step."""
    sender = make(line.path())
    sender._destination.seq = 0xFFFE

    sender.send_unit(access_unit(1, sizes=(100,) * 4))

    assert [seq for _, seq, *_ in line.packets()] == [0xFFFE, 0xFFFF, 0, 1]
    sender.close()
    sender.path.close()


async def test_stamps_wrap_at_32_bits(line: Line) -> None:
    """The stream's own timeline never does."""
    sender = make(line.path())
    sender._offset_90k = 0xFFFF_FFFF - 3600

    sender.send_unit(access_unit(1))
    sender.send_unit(access_unit(2))

    assert [time for _, _, time, *_ in line.packets()] == [0xFFFF_FFFF, 3599]
    sender.close()
    sender.path.close()


async def test_a_stamp_never_goes_back(line: Line) -> None:
    """A unit stamped like its predecessor is moved by one tick."""
    sender = make(line.path())

    sender.send_unit(access_unit(2))
    sender.send_unit(access_unit(2))

    times = [time for _, _, time, *_ in line.packets()]
    assert (times[1] - times[0]) & 0xFFFF_FFFF == 1
    sender.close()
    sender.path.close()


async def test_without_segmentation_offload_packets_go_one_by_one(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first refusal by the kernel is the last attempt; nothing is lost by it."""
    path = line.path()
    attempts = []

    class Refusing:
        """A socket of a kernel before 4.18."""

        def __init__(self, real: socket.socket) -> None:
            self.sendto = real.sendto
            self.close = real.close
            self.fileno = real.fileno

        def sendmsg(self, *_: object) -> int:
            attempts.append(1)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    assert path._socket is not None
    monkeypatch.setattr(path, "_socket", Refusing(path._socket))
    sender = make(path)

    for number in (1, 2):
        sender.send_unit(access_unit(number, sizes=(500,) * 3))

    assert len(list(line.packets())) == 6
    assert len(attempts) == 1
    assert not path.offload
    sender.close()
    path.close()


async def test_over_turn_every_packet_goes_through_the_relay(line: Line) -> None:
    """No socket of our own, no offload."""
    path = line.path(relayed=True)
    sender = make(path)

    sender.send_unit(access_unit(1, sizes=(500,) * 3))

    assert len(list(line.packets())) == 3
    assert not path.offload
    sender.close()
    path.close()


async def test_a_large_picture_is_spread_over_the_line(line: Line) -> None:
    """At 8 Mb/s a burst is what the line carries in a few milliseconds, not the whole picture."""
    ready = asyncio.Event()
    path = line.path()
    sender = RtpSender(NUMBERS, srtp=outbound(), path=path, pace_bps=8e6, on_ready=ready.set)
    unit = access_unit(1, sizes=(1000,) * 40)

    assert sender.send_unit(unit)
    at_once = len(list(line.packets()))
    assert not sender.send_unit(access_unit(2))
    async with asyncio.timeout(HANG_S):
        while not sender.send_unit(access_unit(2)):
            ready.clear()
            await ready.wait()
    afterwards = len(list(line.packets()))

    assert at_once <= 26
    assert at_once + afterwards == 41
    sender.close()
    path.close()


DEFAULT_RCVBUF = 212_992 // 2
"""What Linux gives a socket unless told otherwise; the kernel doubles what is asked for."""


@pytest.mark.parametrize("pace_mbps", [Limits().burst_mbps, 200.0, 10_000.0])
async def test_a_reader_that_does_not_run_loses_nothing_of_the_first_burst(
    line: Line, pace_mbps: float
) -> None:
    """A default socket buffer holds what is sent in one go: of 190 kB, as it was, 104 packets."""
    line.far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DEFAULT_RCVBUF)
    sender = make(line.path(), pace_bps=pace_mbps * 1e6)
    reader = Reader(sender.send_unit)

    reader.replay(access_unit(number, sizes=(1180,) * 85) for number in range(1, 12))

    at_once = list(line.packets())
    assert 50 <= len(at_once) == sender._destination.seq - at_once[0][1]
    assert reader.queued
    sender.close()
    sender.path.close()


@pytest.mark.parametrize(("pace_mbps", "largest"), [(8, 40_000), (30, 125_000), (200, 125_000)])
def test_the_fast_path_sends_a_picture_at_once_up_to_a_size(
    line: Line, pace_mbps: int, largest: int
) -> None:
    """However fast the GOP may be sent: keyframes of 125 kB are ordinary at 4 Mb/s."""
    sender = make(line.path(), pace_bps=pace_mbps * 1e6)

    assert sender._destination.burst_bytes == largest
    sender.close()
    sender.path.close()


async def test_the_rest_of_the_gop_comes_in_small_steps(line: Line) -> None:
    """A step is what the pace carries in 5 ms, however much is waiting."""
    steps: list[int] = []
    reader = Reader(lambda unit: sender.send_unit(unit))
    path, done = line.path(), asyncio.Event()
    send_batch = path.send_batch

    def count(batch: memoryview, segment_bytes: int) -> bool:
        steps.append(len(batch))
        return send_batch(batch, segment_bytes)

    def resume() -> None:
        reader.resume()
        if not reader.queued:
            done.set()

    path.send_batch = count  # type: ignore[method-assign]
    sender = RtpSender(NUMBERS, srtp=outbound(), path=path, pace_bps=30e6, on_ready=resume)
    reader.replay(access_unit(number, sizes=(1180,) * 85) for number in range(1, 5))
    async with asyncio.timeout(HANG_S):
        await done.wait()

    assert max(steps) <= 30e6 / 8 * PACE_S
    sender.close()
    path.close()


async def test_a_live_picture_does_not_wait_for_the_pace(line: Line) -> None:
    """Pictures within the pace are sent in the call that brings them."""
    sender = make(line.path(), pace_bps=100e6)

    for number in range(3):
        assert sender.send_unit(access_unit(number + 1, sizes=(1000,) * 10))

    assert len(list(line.packets())) == 30
    sender.close()
    sender.path.close()


async def test_without_rtx_a_packet_is_sent_again_as_it_was(line: Line) -> None:
    """Same number, same stream, for viewers who did not offer RFC 4588."""
    numbers = RtpParameters(payload_type=96, ssrc=1, rtx_payload_type=None, rtx_ssrc=2)
    path = line.path()
    sender = RtpSender(numbers, srtp=outbound(), path=path, pace_bps=1e9, on_ready=lambda: None)
    sender._destination.seq = 7
    sender.send_unit(access_unit(1, sizes=(50, 60)))
    first = list(line.packets())

    sender.retransmit([7])
    path.close()
    sender.close()

    datagram = line.far.recv(2048)
    assert datagram[:12] == struct.pack("!BBHII", 0x80, 96, 7, first[0][2], 1)


async def test_a_storm_of_nacks_is_answered_within_bounds(line: Line) -> None:
    """Retransmissions may take a quarter of the pace, not the line."""
    sender = make(line.path(), pace_bps=8e6)
    sender._destination.seq = 0
    sender.send_unit(access_unit(1, sizes=(1000,) * 4))
    list(line.packets())

    sender.retransmit(list(range(4)) * 100)

    assert 1 <= sender.retransmitted <= 4
    sender.close()
    sender.path.close()


async def far_packets(line: Line, count: int) -> list[tuple[int, int, int, int, bytes]]:
    """Wait for so many packets, and return them."""
    loop, came, received = asyncio.get_running_loop(), asyncio.Event(), list(line.packets())
    loop.add_reader(line.far, came.set)
    async with asyncio.timeout(HANG_S):
        while len(received) < count:
            await came.wait()
            came.clear()
            received += line.packets()
    loop.remove_reader(line.far)
    return received


def numbers_of(packets: list[tuple[int, int, int, int, bytes]]) -> list[int]:
    """Return the original numbers of retransmissions (RFC 4588 §4)."""
    return [int.from_bytes(payload[:2], "big") for *_, payload in packets]


@pytest.mark.parametrize("pace_bps", [5e6, 20e6, 200e6])
async def test_what_exceeds_the_pace_is_sent_again_later(line: Line, pace_bps: float) -> None:
    """A NACK of 60: what the budget did not allow was dropped, 34 of 60 at 200 Mb/s."""
    sender = make(line.path(), pace_bps=1e9)
    sender._destination.seq = 0
    sender.send_unit(access_unit(1, sizes=(1000,) * 60))
    list(line.packets())
    sender.set_pace(pace_bps)

    sender.retransmit(range(60))

    assert numbers_of(await far_packets(line, 60)) == list(range(60))
    assert sender.retransmitted == 60
    sender.close()
    sender.path.close()


async def test_the_same_numbers_asked_for_while_they_wait_are_sent_once(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer asks again after a round trip; what it has asked for is not forgotten."""
    monkeypatch.setattr(retransmit_buffer, "HOLDOFF_S", HANG_S)
    sender = make(line.path(), pace_bps=20e6)
    sender._destination.seq = 0
    sender.send_unit(access_unit(1, sizes=(100,) * 60))
    list(line.packets())

    for _ in range(20):
        sender.retransmit(range(60))

    assert numbers_of(await far_packets(line, 60)) == list(range(60))
    assert sender.retransmitted == 60
    sender.close()
    sender.path.close()


async def test_what_waits_to_be_sent_again_is_bounded(line: Line) -> None:
    """However many numbers a viewer names; more are counted and not kept."""
    sender = make(line.path(), pace_bps=1e9)
    sender._destination.seq = 0
    for number in range(1, 31):
        sender.send_unit(access_unit(number, sizes=(60,) * 100))
    list(line.packets())
    sender.set_pace(1e5)

    for _ in range(10):
        sender.retransmit(range(3_000))

    assert len(sender._requests) <= REQUESTED
    assert sender.retransmitted < 100
    sender.close()
    sender.path.close()


async def test_what_waits_is_forgotten_when_the_gop_is_sent_again(line: Line) -> None:
    """Behind a new keyframe nobody needs it."""
    sender = make(line.path(), pace_bps=1e9)
    sender._destination.seq = 0
    sender.send_unit(access_unit(1, sizes=(1000,) * 60))
    sender._s_per_byte = 8 / 20e6
    sender.retransmit(range(60))

    sender.forget_requests()

    assert not len(sender._requests)
    sender.close()
    sender.path.close()


async def test_a_report_tells_the_time_of_now(line: Line) -> None:
    """The RTP time goes on from the last picture with the clock (RFC 3550 §6.4.1)."""
    sender = make(line.path())
    sender.send_unit(access_unit(1, sizes=(100, 100)))
    (_, _, first, *_), _ = line.packets()

    report = sender.sender_info(sender._destination.last_s + 1.0, 0.0)

    assert report == (2_208_988_800 << 32, (first + 90_000) & 0xFFFF_FFFF, 2, 200)
    sender.close()
    sender.path.close()


async def test_an_unreachable_viewer_is_counted_not_raised(line: Line) -> None:
    """ICMP port unreachable comes back as an error of a later send."""
    gone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gone.bind(("127.0.0.1", 0))
    address = gone.getsockname()
    gone.close()
    line.near.connect(address)
    path = UdpPath(Transport(line.near), address)
    sender = make(path)

    for number in range(1, 4):
        sender.send_unit(access_unit(number))

    assert path.failed >= 1
    sender.close()
    path.close()


async def test_a_bug_in_a_timer_ends_the_session_it_is_of(line: Line) -> None:
    """The loop would only log it, and the viewer would wait for ever."""
    told: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def fail() -> None:
        raise RuntimeError("a bug behind the timer")

    path = line.path()
    sender = RtpSender(
        NUMBERS,
        srtp=outbound(),
        path=path,
        pace_bps=8e6,
        on_ready=fail,
        on_bug=told.set_result,
    )
    assert sender.send_unit(access_unit(1, sizes=(1000,) * 40))

    async with asyncio.timeout(HANG_S):
        assert str(await told) == "a bug behind the timer"
    sender.close()
    path.close()


async def test_another_stream_goes_on_in_time_and_number(line: Line) -> None:
    """Its timeline is another one; what the viewer sees is one stream (RFC 3550 §5.1)."""
    sender = make(line.path(), pace_bps=1e9)
    sender.send_unit(access_unit(100_000))
    sender._destination.last_s = 50.0
    other = access_unit(3, keyframe=True, arrived_s=50.2)

    sender.begin_stream(other)
    sender.send_unit(other)
    sender.send_unit(access_unit(4))

    (_, seq, before, _, _), first, second = line.packets()
    assert [first[1], second[1]] == [seq + 1, seq + 2]
    assert (first[2] - before) & 0xFFFF_FFFF == pytest.approx(0.2 * 90_000, abs=2)
    assert (second[2] - first[2]) & 0xFFFF_FFFF == 3_600
    assert sender._destination.offset_90k == sender._offset_90k
    sender.close()
    sender.path.close()


async def test_a_stream_that_came_before_the_last_picture_was_sent_is_later_all_the_same(
    line: Line,
) -> None:
    """A cached keyframe: RTP time never goes back."""
    sender = make(line.path(), pace_bps=1e9)
    sender.send_unit(access_unit(100))
    other = access_unit(3, keyframe=True, arrived_s=1.0)

    sender.begin_stream(other)
    sender.send_unit(other)

    before, after = line.packets()
    assert (after[2] - before[2]) & 0xFFFF_FFFF == 1
    sender.close()
    sender.path.close()


@pytest.mark.parametrize("sent_bps", [2e6, 8e6])
async def test_repair_does_not_grow_with_loss(line: Line, sent_bps: float) -> None:
    """However much is asked for: the credit, and then a quarter of what is sent."""
    sender = make(line.path(), pace_bps=1e9)
    sender._destination.seq = 0
    for number in range(1, 41):
        sender.send_unit(access_unit(number, sizes=(1000,) * 50))
        list(line.packets())
    sender.set_pace(None, sent_bps=sent_bps)

    for _ in range(1_000):
        sender._pay_for_repeats(1_000, 500.0)

    cost_s = 1_000 * 1_000 * 8 / (RETRANSMIT_SHARE * sent_bps)
    assert sender._retransmit_paid_s == pytest.approx(500.0 - RETRANSMIT_CREDIT_S + cost_s)
    sender.close()
    sender.path.close()


async def test_repeats_on_a_narrow_line_are_taken_from_the_stream(line: Line) -> None:
    """Both together are no more than the line carries."""
    sender = make(line.path(), pace_bps=1e9)
    sender._destination.seq = 0
    sender.send_unit(access_unit(1, sizes=(1000,) * 10))
    list(line.packets())
    sender.set_pace(1e6)
    free_s = sender._destination.free_s

    sender.retransmit(range(10))
    await far_packets(line, 10)

    assert sender._destination.free_s >= free_s + 10 * 1_000 * 8 / 1e6
    sender.close()
    sender.path.close()


@pytest.mark.parametrize(("loss", "copies"), [(0.0, 1), (0.05, 2), (0.3, 1)])
async def test_what_is_lost_by_chance_is_sent_again_twice(
    line: Line, loss: float, copies: int
) -> None:
    """A repeat that is lost as well costs the viewer 100 ms; a line that is full has no room."""
    sender = make(line.path(), pace_bps=1e9)
    sender._destination.seq = 0
    sender.send_unit(access_unit(1, sizes=(100,) * 3))
    list(line.packets())
    sender.set_pace(None, sent_bps=4e6, loss=loss)

    sender.retransmit([0, 2])

    assert numbers_of(list(line.packets())) == [0] * copies + [2] * copies
    sender.close()
    sender.path.close()


async def test_on_a_narrow_line_only_keyframes_are_spread(line: Line) -> None:
    """An ordinary picture of a stream that the line carries goes at once, by the fast path."""
    sender = make(line.path(), pace_bps=200e6)

    sender.set_pace(2.4e6)

    assert sender._destination.burst_bytes == 2.4e6 / 8 * NARROW_AHEAD_S
    sender.set_pace(None)
    assert sender._destination.burst_bytes == 125_000
    sender.close()
    sender.path.close()


def telling(path: UdpPath) -> RtpSender:
    """A sender to a viewer that knows the playout delay."""
    numbers = replace(NUMBERS, playout_delay_id=5)
    return RtpSender(numbers, srtp=outbound(), path=path, pace_bps=1e9, on_ready=lambda: None)


async def test_the_player_is_told_in_three_pictures_how_long_to_wait(line: Line) -> None:
    """In each packet of them, since only the first of a picture counts; then no more."""
    sender = telling(line.path())
    sender.send_unit(access_unit(1, sizes=(100,)))
    list(line.packets())

    assert sender.set_playout_delay(0.3)
    pictures = [access_unit(number, sizes=(1180,) * 3 + (20,)) for number in range(2, 6)]
    for picture in pictures:
        sender.send_unit(picture)
    datagrams = [line.srtp.unprotect(each) for each in line.datagrams()]

    told = [each[12:20] for each in datagrams if each[0] == 0x90]
    assert told == [playout_delay_extension(5, 0.3)] * 12
    payloads = [each[20:] if each[0] == 0x90 else each[12:] for each in datagrams]
    assert payloads == [payload for picture in pictures for payload in picture.payloads]
    sender.close()
    sender.path.close()


async def test_the_fast_path_waits_until_the_player_is_told(line: Line) -> None:
    """It sends no header extension; then it goes on."""
    sender = telling(line.path())
    sender.send_unit(access_unit(1))
    assert sender.destination() is not None

    sender.set_playout_delay(0.3)
    able = []
    for number in range(2, 6):
        able.append(sender.destination() is not None)
        sender.send_unit(access_unit(number))

    assert able == [False, False, False, True]
    sender.close()
    sender.path.close()


async def test_who_does_not_know_the_playout_delay_is_not_told(line: Line) -> None:
    """And nobody's stream is taken from the fast path."""
    sender = make(line.path())
    sender.send_unit(access_unit(1))

    assert not sender.set_playout_delay(0.3)

    assert sender.destination() is not None
    sender.close()
    sender.path.close()


async def test_what_another_stream_replaces_is_not_sent_to_its_end(line: Line) -> None:
    """On a line of 0.3 Mb/s what is left of a keyframe of 130 kB takes three seconds."""
    sender = make(line.path(), pace_bps=0.3e6)
    sender.send_unit(access_unit(1, sizes=(1180,) * 110))
    begun = list(line.packets())
    sender.retransmit([begun[0][1]])

    sender.abandon()
    taken = sender.send_unit(access_unit(2, sizes=(100,) * 3))

    assert 0 < len(begun) < 20
    assert taken
    later = [number for _, number, _, ssrc, _ in line.packets() if ssrc == NUMBERS.ssrc]
    assert later == [begun[-1][1] + each for each in (1, 2, 3)]
    sender.close()
    sender.path.close()


async def test_what_was_replaced_is_not_sent_again(line: Line) -> None:
    """Repairs of pictures that nobody will see would delay the keyframe that follows."""
    sender = make(line.path())
    sender.send_unit(access_unit(1, sizes=(100,) * 3))
    old = [number for _, number, *_ in line.packets()]

    sender.abandon()
    sender.send_unit(access_unit(2, sizes=(100,) * 2))
    new = [number for _, number, *_ in line.packets()]
    sender.retransmit([*old, *new])

    assert numbers_of(list(line.packets())) == new
    sender.close()
    sender.path.close()


async def test_a_stream_of_another_codec_has_its_payload_types(line: Line) -> None:
    """Numbers and times go on; what was of the codec before is not sent again as the new one."""
    h264 = replace(NUMBERS, payload_type=108, rtx_payload_type=109)
    sender = RtpSender(
        NUMBERS,
        by_codec={"h265": NUMBERS, "h264": h264},
        srtp=outbound(),
        path=line.path(),
        pace_bps=1e9,
        on_ready=lambda: None,
    )
    sender.send_unit(access_unit(100, sizes=(50,)))
    other = access_unit(3, keyframe=True, sizes=(50, 50))

    sender.begin_stream(other, "h264")
    sender.send_unit(other)

    before, *after = line.packets()
    assert [each[0] & 0x7F for each in (before, *after)] == [96, 108, 108]
    assert [each[1] for each in after] == [before[1] + 1, before[1] + 2]
    assert after[0][2] > before[2]
    sender.retransmit([before[1], after[0][1]])
    assert [(each[0] & 0x7F, each[3]) for each in line.packets()] == [(109, NUMBERS.rtx_ssrc)]
    relayed = sender.destination()
    assert relayed is not None
    assert (relayed.seq, relayed.packets, relayed.octets) == (sender.next_seq, 3, 150)
    sender.begin_stream(access_unit(5, keyframe=True), "h264")
    assert sender.destination() is relayed
    sender.close()
    sender.path.close()
