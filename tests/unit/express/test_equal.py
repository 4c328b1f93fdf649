"""Whatever a camera sends, the lane delivers what the ordinary path delivers.

A few seconds of what ``-m tests.fuzz.lane`` does for as long as one likes, and with sanitizers.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.media import Codec
from tests.fixtures.captures import NAMES, codec_of, packets_of
from tests.fixtures.ways import (
    ODD,
    USUAL,
    Talker,
    Way,
    both,
    chunks,
    crowd,
    mutated,
    written,
)

CODECS = st.sampled_from(("h264", "h265"))
SEEDS = st.integers(0, 1 << 32)
LIMITS = st.sampled_from((60, 1180, 1400))
EVENTS = st.lists(st.one_of(*[st.sampled_from(USUAL)] * 4, st.sampled_from(ODD)), max_size=40)


def sent(codec: Codec, pieces: list[bytes], seed: int, **how: Any) -> tuple[Way, Way]:
    """Return both ways after *pieces*, viewers coming and going meanwhile."""

    async def send() -> tuple[Way, Way]:
        return both(codec, pieces, crowd(seed), **how)

    return asyncio.run(send())


@settings(max_examples=250, deadline=None)
@given(codec=CODECS, seed=SEEDS, events=EVENTS, limit=LIMITS)
def test_whatever_comes_the_same_goes_out(
    codec: Codec, seed: int, events: list[str], limit: int
) -> None:
    """Units, counters, cache, and every viewer's packets."""
    pieces = list(chunks(written(codec, seed, events), Random(seed)))

    ordinary, lane = sent(codec, pieces, seed, limit=limit, watchers=2)

    assert lane.report == ordinary.report


@settings(max_examples=100, deadline=None)
@given(codec=CODECS, seed=SEEDS, events=EVENTS)
def test_read_by_its_thread_over_tcp_it_is_the_same(
    codec: Codec, seed: int, events: list[str]
) -> None:
    """Neither the thread nor the loop reads anything twice, or leaves anything out."""
    pieces = list(chunks(written(codec, seed, events), Random(seed)))

    ordinary, lane = sent(codec, pieces, seed, watchers=1, tcp=True, ride=True)

    assert lane.report == ordinary.report


@settings(max_examples=250, deadline=None)
@given(codec=CODECS, seed=SEEDS, events=EVENTS, limit=LIMITS)
def test_whatever_is_wrong_with_it_the_same_goes_out(
    codec: Codec, seed: int, events: list[str], limit: int
) -> None:
    """Bits flipped, lengths wrong, bytes too few and too many."""
    random = Random(seed)
    pieces = mutated(list(chunks(written(codec, seed, events), random)), random)

    ordinary, lane = sent(codec, pieces, seed, limit=limit, watchers=1)

    assert lane.report == ordinary.report


@pytest.mark.parametrize("limit", [500, 1180, 1400])
@pytest.mark.parametrize("name", NAMES)
def test_a_capture_goes_out_the_same(name: str, limit: int) -> None:
    """What GStreamer has made of x264 and x265."""
    talker = Talker(codec_of(name))
    pieces = []
    for packet in packets_of(name):
        talker.frame(0, packet)
        if packet[1] & 0x80:
            pieces.append(bytes(talker.sent))
            talker.sent.clear()

    ordinary, lane = sent(talker.codec, pieces, 1, limit=limit, watchers=1)

    assert lane.report == ordinary.report
