"""UDP: order, strangers, and reports."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.rtcp import ReceiverReport, parse_compound, sender_report
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.reorder_buffer import HOLD_S, WINDOW, ReorderBuffer
from gateway.rtsp.udp import open_pair
from tests.fixtures.clock import HANG_S
from tests.unit.rtsp.scripted import CLOCK, packet


def seqs(packets: list[bytes]) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in packets]


def test_disorder_within_the_window_is_undone_across_the_wrap() -> None:
    """Out of order in, in order out, over 65535."""
    order = ReorderBuffer()

    out = order.push([packet(seq) for seq in (65533, 65535, 65534, 1, 0)], 0.0)

    assert seqs(out) == [65533, 65534, 65535, 0, 1]


def test_a_gap_is_given_up_after_its_time_or_window() -> None:
    """What is behind the gap comes out, and what comes too late does not."""
    by_time, by_window = ReorderBuffer(), ReorderBuffer()

    held = by_time.push([packet(1), packet(3)], 0.0)
    late = by_time.push([packet(4), packet(2)], HOLD_S)
    out = by_window.push([packet(seq) for seq in (1, *range(3, 4 + WINDOW))], 0.0)

    assert seqs(held) == [1]
    assert seqs(late) == [2, 3, 4]
    assert len(out) == WINDOW + 2
    assert seqs(by_window.push([packet(2)], 0.0)) == []
    assert by_window.discarded == 1


def test_a_new_sequence_is_taken_up() -> None:
    """A camera that starts over is not disorder."""
    order = ReorderBuffer()

    out = order.push([packet(10), packet(12), packet(40_000), packet(40_001)], 0.0)

    assert seqs(out) == [10, 12, 40_000, 40_001]


def from_source(seq: int, source: int) -> bytes:
    return packet(seq)[:8] + source.to_bytes(4) + packet(seq)[12:]


@pytest.mark.parametrize("step", [-900, -30, 2, 30, 900])
def test_another_source_counts_anew(step: int) -> None:
    """However near its numbers are, nothing of it is late, nor waited for."""
    order = ReorderBuffer()
    anew = [from_source(1_000 + step + index, 8) for index in range(3)]

    out = order.push([from_source(999, 7), *anew], 0.0)

    assert out[1:] == anew
    assert order.discarded == 0


def test_a_late_packet_of_the_source_before_is_discarded() -> None:
    """It is no new source."""
    order = ReorderBuffer()

    out = order.push([from_source(9, 7), *(from_source(seq, 8) for seq in (3, 4))], 0.0)
    out += order.push([from_source(8, 7), from_source(5, 8)], 0.0)

    assert seqs(out) == [9, 3, 4, 5]
    assert order.discarded == 1


@given(st.lists(st.binary(max_size=16)), st.floats(0, 10))
def test_any_datagrams_are_taken(datagrams: list[bytes], now_s: float) -> None:
    """Nothing raises, nothing is made up."""
    assert set(ReorderBuffer().push(datagrams, now_s)) <= set(datagrams)


@given(st.permutations(range(30)))
def test_any_disorder_smaller_than_the_window_is_undone(order: list[int]) -> None:
    """All come out, sorted from the first that was seen."""
    reorder = ReorderBuffer()

    out = seqs(reorder.push([packet(100), *(packet(101 + seq) for seq in order)], 0.0))

    assert out == list(range(100, 131))


async def test_only_the_camera_is_heard() -> None:
    """Datagrams from another address are counted and dropped."""
    taken: list[bytes] = []
    heard = asyncio.Event()

    def take(packets: list[bytes]) -> None:
        taken.extend(packets)
        heard.set()

    with (
        open_pair("127.0.0.1", "127.0.0.1", CLOCK) as pair,
        socket.socket(type=socket.SOCK_DGRAM) as a,
    ):
        pair.on_rtp = take
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.sendto(packet(7), ("127.0.0.1", pair.port))
        a.bind(("127.0.0.1", 0))
        a.sendto(packet(1), ("127.0.0.1", pair.port))
        async with asyncio.timeout(HANG_S):
            await heard.wait()

        assert (taken, pair.unknown_senders, pair.port % 2) == ([packet(1)], 1, 0)
        assert pair.stranger == "127.0.0.2"


def test_a_report_names_the_stream_and_the_last_sender_report() -> None:
    """Highest sequence number with its cycles, and the delay since the report."""
    receiver_stats = ReceiverStats()
    receiver_stats.on_rtp(packet(65_530), 1.0)
    receiver_stats.on_rtp(packet(4), 2.0)
    receiver_stats.on_rtcp([sender_report(7, 0x1122334455667788, 0, 1, 1, "x"), b"\xff"], 2.0)

    (block,) = (
        said
        for said in parse_compound(receiver_stats.build_report(2.5))
        if isinstance(said, ReceiverReport)
    )

    assert (block.source_ssrc, block.highest_seq) == (7, 65_536 + 4)
    assert (block.lsr, block.dlsr) == (0x33445566, 32_768)


def beside(seq: int, kind: int = 50) -> bytes:
    """Return a packet of another payload type, or (96) an empty one."""
    plain = packet(seq, nal=b"" if kind == 96 else b"x")
    return plain[:1] + bytes((kind,)) + plain[2:]


@pytest.mark.parametrize("kind", [50, 96])
@pytest.mark.parametrize(
    ("numbers", "out"),
    [
        ("1 b2 2 3", "1 b2 2 3"),
        ("1 b2 3 4", "1 b2 3 4"),
        ("1 b1 3 4", "1 b1 3 4"),
        ("1 b2 b2 2 3 b4 5", "1 b2 b2 2 3 b4 5"),
        ("1 b2 b3 4", "1 b2 b3 4"),
        ("1 3 b2 4", "1 b2 3 4"),
        ("65535 b0 1 2", "65535 b0 1 2"),
        ("1 b700 2 3", "1 b700 2 3"),
        ("1 b2 2 5 4 3", "1 b2 2 3 4 5"),
    ],
)
def test_packets_that_may_take_a_number_are_not_waited_for(
    numbers: str, out: str, kind: int
) -> None:
    """Those of other payload types, and empty ones: neither is anything of the video lost."""
    order = ReorderBuffer()
    order.payload_type = 96
    sent = [
        beside(int(each[1:]), kind) if each[0] == "b" else packet(int(each))
        for each in numbers.split()
    ]

    passed = order.push(sent, 0.0)

    assert [
        f"{'b' if len(each) <= 13 else ''}{seq}"
        for each, seq in zip(passed, seqs(passed), strict=True)
    ] == out.split()
    assert order.discarded == 0
