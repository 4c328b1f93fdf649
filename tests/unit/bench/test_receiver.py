"""What the benchmark reports, it must have counted: nothing missing goes unseen."""

from __future__ import annotations

import struct

from tests.bench.receiver import Tally


def packet(seq: int, *, ssrc: int = 7, rtp_time: int = 0, size: int = 100) -> memoryview:
    head = struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, rtp_time, ssrc)
    return memoryview(head + bytes(size - len(head)))


def taken(*seqs: int) -> Tally:
    tally = Tally()
    for seq in seqs:
        tally.record(packet(seq), 0)
    return tally


def test_contiguous_packets_miss_nothing() -> None:
    """Sequence numbers that follow each other have no gap."""
    assert taken(1, 2, 3).missing == 0


def test_a_gap_is_as_many_packets_as_it_skips() -> None:
    """From 1 to 5 three are missing."""
    assert taken(1, 5).missing == 3


def test_the_sequence_wraps_without_a_gap() -> None:
    """0 follows 65,535 (RFC 3550 §5.1)."""
    assert taken(65_534, 65_535, 0, 1).missing == 0


def test_a_late_packet_is_not_missing_any_more() -> None:
    """What came out of order has come."""
    assert taken(1, 3, 2, 4).missing == 0


def test_another_stream_does_not_count() -> None:
    """Retransmissions have an SSRC of their own."""
    tally = taken(1)
    tally.record(packet(900, ssrc=8), 0)
    assert (tally.packets, tally.missing) == (1, 0)


def test_packets_of_one_rtp_time_are_one_picture() -> None:
    """A picture is done when its last packet is here."""
    tally = Tally(timed=True)
    for seq, rtp_time, arrived_ns in ((1, 10, 100), (2, 10, 200), (3, 20, 300)):
        tally.record(packet(seq, rtp_time=rtp_time), arrived_ns)
    assert [(each.size_bytes, each.done_ns) for each in tally.pictures] == [(200, 200), (100, 300)]
