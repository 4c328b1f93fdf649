"""Segments whose packets are counted anew, joined."""

from __future__ import annotations

import pytest

from gateway.hls.segment_joint import LOOKED_AT, SegmentJoint
from gateway.rtp.mpeg_ts import TS_BYTES
from tests.fixtures.containers import container

SEGMENT = container("mpegts", audio=True)


def packets(data: bytes) -> list[bytes]:
    return [data[at : at + TS_BYTES] for at in range(0, len(data), TS_BYTES)]


def passed(data: bytes, cut: int, *, marked: bool = True) -> bytes:
    """Return what comes out of *data*, read *cut* bytes at a time."""
    joint = SegmentJoint(marked=marked)
    pieces = [joint.push(data[at : at + cut]) for at in range(0, len(data), cut)]
    return b"".join([*pieces, joint.finish()])


@pytest.mark.parametrize("cut", [1, 100, 188, 5_000, len(SEGMENT)])
def test_one_mark_stands_before_the_first_packet_of_each_pid(cut: int) -> None:
    """However the bytes are cut; it counts as the packet before, and has nothing in it."""
    out = packets(passed(SEGMENT, cut))
    marks = [at for at, packet in enumerate(out) if packet[3] >> 4 == 2 and packet[5] & 0x80]

    assert b"".join(packet for at, packet in enumerate(out) if at not in marks) == SEGMENT
    assert sorted(out[at][1:3] for at in marks) == sorted(
        {bytes((packet[1] & 0x1F, packet[2])) for packet in packets(SEGMENT)}
    )
    for at in marks:
        assert out[at][1:3] == bytes((out[at + 1][1] & 0x1F, out[at + 1][2]))
        assert (out[at][3] + 1) & 0xF == out[at + 1][3] & 0xF


@pytest.mark.parametrize("data", [b"", b"G", SEGMENT[:1_000], b"ftyp" * 500, b"\0" * 400])
@pytest.mark.parametrize("marked", [True, False])
def test_what_is_not_whole_or_nothing_of_the_kind_is_passed_on(data: bytes, marked: bool) -> None:
    """All of it, in its order."""
    out = passed(data, 150, marked=marked)
    at = 0
    for byte in data:  # each stands in what comes out, behind the one before
        at = out.index(byte, at) + 1

    assert out.endswith(data[-100:])
    assert marked or out == data


def test_no_more_is_looked_at_than_the_beginning() -> None:
    """What comes then is passed on as it is."""
    many = b"".join(b"G" + pid.to_bytes(2) + b"\x10" + bytes(184) for pid in range(1_000))

    assert len(passed(many, 10_000)) == len(many) + LOOKED_AT * TS_BYTES
