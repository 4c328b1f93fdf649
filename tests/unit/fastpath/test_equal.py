"""Whatever a camera sends, the fast path delivers what the ordinary path delivers.

A few seconds of what ``-m tests.fuzz.fastpath`` does for as long as one likes, and with sanitizers.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.media import Codec
from tests.fixtures.camera_stream import (
    ORDINARY,
    UNUSUAL,
    FakeCameraStream,
    mutated,
    reads,
    stream_of,
)
from tests.fixtures.captures import NAMES, codec_of, packets_of
from tests.fixtures.fastpath_datagrams import DatagramPipeline, datagrams, disturbed
from tests.fixtures.fastpath_scenarios import Pipeline, run_both, viewer_actions

CODECS = st.sampled_from(("h264", "h265"))
SEEDS = st.integers(0, 1 << 32)
LIMITS = st.sampled_from((60, 1180, 1400))
EVENTS = st.lists(
    st.one_of(*[st.sampled_from(ORDINARY)] * 4, st.sampled_from(UNUSUAL)), max_size=40
)


def sent(codec: Codec, pieces: list[Any], seed: int, **how: Any) -> tuple[Pipeline, Pipeline]:
    """Return both pipelines after *pieces*, viewers coming and going meanwhile."""

    async def send() -> tuple[Pipeline, Pipeline]:
        acts = viewer_actions(seed, held=how.get("held_bytes") is not None)
        return run_both(codec, pieces, acts, **how)

    return asyncio.run(send())


@settings(max_examples=250, deadline=None)
@given(codec=CODECS, seed=SEEDS, events=EVENTS, limit=LIMITS)
def test_whatever_comes_the_same_goes_out(
    codec: Codec, seed: int, events: list[str], limit: int
) -> None:
    """Units, counters, cache, and every viewer's packets."""
    pieces = list(reads(stream_of(codec, seed, events), Random(seed)))

    python, fast_path = sent(codec, pieces, seed, limit=limit, viewers=2)

    assert fast_path.report == python.report


@settings(max_examples=100, deadline=None)
@given(codec=CODECS, seed=SEEDS, events=EVENTS)
def test_read_by_its_thread_over_tcp_it_is_the_same(
    codec: Codec, seed: int, events: list[str]
) -> None:
    """Neither the thread nor the loop reads anything twice, or leaves anything out."""
    pieces = list(reads(stream_of(codec, seed, events), Random(seed)))

    python, fast_path = sent(codec, pieces, seed, viewers=1, tcp=True, polling=True)

    assert fast_path.report == python.report


@settings(max_examples=150, deadline=None)
@given(
    codec=CODECS,
    seed=SEEDS,
    events=EVENTS,
    held_bytes=st.sampled_from((0, 1_000, 30_000)),
    polling=st.booleans(),
)
def test_held_back_by_the_pace_it_is_the_same(
    codec: Codec, seed: int, events: list[str], held_bytes: int, polling: bool
) -> None:
    """Wherever in a picture Python takes over, and the fast path goes on again."""
    pieces = list(reads(stream_of(codec, seed, events), Random(seed)))

    python, fast_path = sent(codec, pieces, seed, viewers=2, held_bytes=held_bytes, polling=polling)

    assert fast_path.report == python.report


@settings(max_examples=250, deadline=None)
@given(codec=CODECS, seed=SEEDS, events=EVENTS, limit=LIMITS)
def test_whatever_is_wrong_with_it_the_same_goes_out(
    codec: Codec, seed: int, events: list[str], limit: int
) -> None:
    """Bits flipped, lengths wrong, bytes too few and too many."""
    random = Random(seed)
    pieces = mutated(list(reads(stream_of(codec, seed, events), random)), random)

    python, fast_path = sent(codec, pieces, seed, limit=limit, viewers=1)

    assert fast_path.report == python.report


@settings(max_examples=60, deadline=None)
@given(
    codec=CODECS, seed=SEEDS, events=EVENTS, limit=LIMITS, polling=st.booleans(), bad=st.booleans()
)
def test_over_udp_it_is_the_same(
    codec: Codec, seed: int, events: list[str], limit: int, polling: bool, bad: bool
) -> None:
    """Lost, twice, late, out of order, of strangers: what is read, held, counted and relayed."""
    random = Random(seed)
    pieces = datagrams(stream_of(codec, seed, events), random)
    if bad:
        pieces = disturbed(pieces, random)

    python, fast_path = sent(
        codec, pieces, seed, kind=DatagramPipeline, limit=limit, viewers=1, polling=polling
    )

    assert fast_path.report == python.report


@pytest.mark.parametrize("limit", [500, 1180, 1400])
@pytest.mark.parametrize("name", NAMES)
def test_a_capture_goes_out_the_same(name: str, limit: int) -> None:
    """What GStreamer has made of x264 and x265."""
    camera = FakeCameraStream(codec_of(name))
    pieces = []
    for packet in packets_of(name):
        camera.frame(0, packet)
        if packet[1] & 0x80:
            pieces.append(bytes(camera.sent))
            camera.sent.clear()

    python, fast_path = sent(camera.codec, pieces, 1, limit=limit, viewers=1)

    assert fast_path.report == python.report
