"""RTCP as it stands on the wire, and whatever else may stand there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.rtcp import (
    Fir,
    Goodbye,
    Nack,
    Pli,
    ReceiverReport,
    Remb,
    SenderReport,
    goodbye,
    nack,
    parse_compound,
    pli,
    receiver_report,
    remb,
    sender_report,
)

U32 = st.integers(0, 2**32 - 1)


def test_a_sender_report_reads_back() -> None:
    """What `sender_report` writes, `parse_compound` reads; the SDES is skipped."""
    ntp_64 = (3_900_000_000 << 32) | 1 << 31

    wire = sender_report(0xAABBCCDD, ntp_64, 90_000, 7, 2**32 + 5, "gw-01")

    assert parse_compound(wire) == (SenderReport(0xAABBCCDD, ntp_64, 90_000, 7, 5),)
    assert b"\x01\x05gw-01" in wire
    assert len(wire) % 4 == 0


@given(cname=st.text(max_size=300))
def test_any_cname_fills_whole_words(cname: str) -> None:
    """SDES chunks end with a zero byte on a word boundary, however long the name."""
    wire = sender_report(1, 0, 0, 0, 0, cname)

    (words,) = struct.unpack_from("!H", wire, 30)

    assert len(wire) == 28 + 4 + 4 * words
    assert wire[-1] == 0


@given(
    report=st.builds(
        ReceiverReport,
        ssrc=st.just(9),
        source_ssrc=U32,
        fraction_lost=st.integers(0, 255),
        cumulative_lost=st.integers(-(2**23), 2**23 - 1),
        highest_seq=U32,
        jitter=U32,
        lsr=U32,
        dlsr=U32,
    )
)
def test_a_receiver_report_reads_back(report: ReceiverReport) -> None:
    """Report blocks survive the wire, negative losses included."""
    assert parse_compound(receiver_report(9, "x", report)) == (report,)


def test_an_empty_receiver_report_says_nothing() -> None:
    """An RR without blocks is legal and holds nothing to act on."""
    assert parse_compound(receiver_report(9, "x")) == ()


def test_a_nack_names_each_packet_of_its_mask() -> None:
    """PID and bit mask become sequence numbers, across the wrap."""
    wire = bytes.fromhex("81cd0003 00000001 00000002 fffe 8003".replace(" ", ""))

    (said,) = parse_compound(wire)
    assert isinstance(said, Nack)
    assert tuple(said.lost) == (0xFFFE, 0xFFFF, 0, 14)


@given(lost=st.lists(st.integers(0, 65_535), min_size=1, max_size=50, unique=True))
def test_a_nack_asks_for_exactly_what_is_lost(lost: list[int]) -> None:
    """Masks neither add nor lose a number."""
    (said,) = parse_compound(nack(1, 2, tuple(lost)))

    assert isinstance(said, Nack)
    assert sorted(said.lost) == sorted(lost)


def test_a_huge_nack_is_decoded_as_far_as_it_is_read() -> None:
    """Sixteen thousand pairs cost a copy of their bytes; each number is made when asked for."""
    pairs = b"\x00\x00\xff\xff" * 16_000

    (said,) = parse_compound(struct.pack("!BBHII", 0x81, 205, 2 + 16_000, 1, 2) + pairs)

    assert isinstance(said, Nack)
    assert isinstance(said.lost, Iterator)
    assert list(islice(said.lost, 18)) == [*range(17), 0]


def test_chromium_style_compound() -> None:
    """RR, then PLI, FIR and BYE in one datagram come in order."""
    fir = struct.pack("!BBHIIIBxxx", 0x84, 206, 4, 5, 0, 6, 7)
    block = ReceiverReport(5, 6, 12, -1, 70_000, 33, 1, 2)

    said = parse_compound(receiver_report(5, "c", block) + pli(5, 6) + fir + goodbye(5))

    assert said == (block, Pli(5, 6), Fir(5, 6, 7), Goodbye((5,)))


def test_padding_is_not_read_as_a_report() -> None:
    """The last packet's padding is cut off before its body is read."""
    wire = struct.pack("!BBHII", 0xA1, 205, 5, 1, 2) + b"\x00\x05\x00\x00" + bytes(7) + b"\x08"

    assert parse_compound(wire) == (Nack(1, 2, b"\x00\x05\x00\x00"),)


def test_what_stood_before_a_malformed_packet_counts() -> None:
    """A length that leaves the datagram ends the reading, not what was read."""
    assert parse_compound(pli(1, 2) + b"\x81\xce\x00\x09abcd") == (Pli(1, 2),)


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(datagram: bytes) -> None:
    """Parsing never raises and never says more than the datagram has room for."""
    assert len(parse_compound(datagram)) <= 1 + len(datagram) // 4


@given(
    kind=st.sampled_from([200, 201, 203, 205, 206]),
    first=st.integers(0x80, 0xBF),
    body=st.binary(max_size=120).map(lambda body: body[: len(body) // 4 * 4]),
)
def test_any_body_of_a_known_kind_is_survived(kind: int, first: int, body: bytes) -> None:
    """Counts, formats and padding that lie about the body do no harm."""
    parse_compound(struct.pack("!BBH", first, kind, len(body) // 4) + body)


@given(U32, st.integers(0, 2**50))
def test_a_remb_reads_back(ssrc: int, bps: int) -> None:
    """As exactly as 18 bits allow."""
    (said,) = parse_compound(remb(ssrc, bps))

    assert isinstance(said, Remb)
    assert said.sender_ssrc == ssrc
    assert bps - (bps >> 17) <= said.bps <= bps


def test_application_feedback_of_another_kind_says_nothing() -> None:
    """The name stands in front of the rate."""
    assert parse_compound(remb(1, 1_000_000).replace(b"REMB", b"OTHR")) == ()
