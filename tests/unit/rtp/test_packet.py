"""RTP headers, and numbers that wrap."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.packet import (
    Malformed,
    Packet,
    build_header,
    extend,
    parse_packet,
    signed16,
    signed32,
)

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


@given(st.integers(0, 127), st.booleans(), U16, U32, U32, st.binary(max_size=20))
def test_a_header_reads_back(
    payload_type: int, marker: bool, seq: int, time: int, ssrc: int, payload: bytes
) -> None:
    """What `header` writes, `parse` reads."""
    packet = parse_packet(build_header(payload_type, marker, seq, time, ssrc) + payload)

    assert packet == Packet(payload_type, marker, seq, time, ssrc, payload)


@given(st.lists(U32, max_size=15), st.binary(max_size=40), st.integers(1, 255))
def test_csrc_extension_and_padding_are_taken_off(
    sources: list[int], payload: bytes, padding: int
) -> None:
    """Only the payload is left, however much stands around it."""
    plain = build_header(96, True, 1, 2, 3)
    wire = bytes((0xB0 | len(sources),)) + plain[1:]
    wire += b"".join(source.to_bytes(4) for source in sources)
    wire += b"\xbe\xde\x00\x02" + bytes(8)
    wire += payload + bytes(padding - 1) + bytes((padding,))

    assert parse_packet(wire) == Packet(96, True, 1, 2, 3, payload)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        bytes(12),
        b"\x80\x60" + bytes(9),
        b"\x8f\x60" + bytes(10),
        b"\x90\x60" + bytes(12),
        b"\x90\x60" + bytes(10) + b"\x00\x00\xff\xff",
        b"\xa0\x60" + bytes(10) + b"\x00",
        b"\xa0\x60" + bytes(10) + b"\x02",
    ],
    ids=[
        "empty",
        "version",
        "short",
        "csrc",
        "extension",
        "long extension",
        "padding 0",
        "padding",
    ],
)
def test_a_header_that_lies_is_malformed(wire: bytes) -> None:
    """Lengths beyond the packet, and what is not RTP, are refused."""
    with pytest.raises(Malformed):
        parse_packet(wire)


@given(st.binary(max_size=100))
def test_any_bytes_are_parsed_or_malformed(wire: bytes) -> None:
    """Nothing else is ever raised."""
    with contextlib.suppress(Malformed):
        assert len(parse_packet(wire).payload) <= len(wire) - 12


@given(U32, st.integers(-(2**15), 2**15 - 1), st.integers(-(2**31), 2**31 - 1))
def test_distances_survive_the_wrap(start: int, near: int, far: int) -> None:
    """Half the range ahead, half behind."""
    assert signed16((start + near) % 2**16 - start % 2**16) == near
    assert signed32((start + far) % 2**32 - start) == far


@given(st.integers(0, 2**40), st.integers(-(2**15), 2**15 - 1))
def test_extending_finds_the_number_nearest(near: int, away: int) -> None:
    """A 16-bit number and a guess that is less than half its range off give the number."""
    assert extend((near + away) % 2**16, near) == near + away
