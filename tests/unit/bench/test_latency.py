"""Pictures are matched by their sizes; the tap sees them whatever the chunks are."""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.latency import delays_ms
from tests.bench.tap import RtspObserver

MS = 1_000_000
ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\n$body"


def went_in(count: int) -> list[tuple[int, int, int]]:
    sizes = random.Random(1)
    return [(n * 3600, sizes.randrange(1000, 30_000), n * 40 * MS) for n in range(count)]


def test_each_picture_is_matched_with_itself() -> None:
    """A list that starts later and has other RTP times is found by its sizes."""
    before = went_in(100)
    after = [(time + 77, size * 11 // 10, done + 3 * MS) for time, size, done in before[5:90]]
    assert set(delays_ms(before, after)) == {3.0}


def test_a_picture_held_back_for_a_whole_period_is_told() -> None:
    """More than a picture period of delay does not look like less."""
    before = went_in(100)
    after = [(time, size, done + 43 * MS) for time, size, done in before]
    assert set(delays_ms(before, after)) == {43.0}


def test_other_pictures_are_not_matched() -> None:
    """Two lists that have nothing to do with each other give no figure."""
    sizes = random.Random(2)
    after = [(time, sizes.randrange(1000, 30_000), done) for time, _, done in went_in(100)]
    assert delays_ms(went_in(100), after) == []


def interleaved(rtp_time: int, *, marker: bool, channel: int = 0) -> bytes:
    body = struct.pack("!BBHII", 0x80, 0x80 * marker | 96, 0, rtp_time, 7) + bytes(30)
    return struct.pack("!BBH", 0x24, channel, len(body)) + body


@given(st.lists(st.integers(1, 60), max_size=40))
def test_the_tap_sees_the_same_pictures_in_any_chunks(cuts: list[int]) -> None:
    """Reads may end anywhere in answers and packets."""
    said = (
        ANSWER
        + interleaved(10, marker=False)
        + interleaved(99, marker=True, channel=1)
        + interleaved(10, marker=True)
        + ANSWER
        + interleaved(20, marker=True)
    )
    watch, at = RtspObserver(), 0
    for cut in [*cuts, len(said)]:
        watch.take(said[at : at + cut], at)
        at += cut
    assert [(each.rtp_time, each.size_bytes) for each in watch.pictures] == [(10, 60), (20, 30)]
