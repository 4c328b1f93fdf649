"""The fuzzer of strangers and viewers, for some steps; `python -m tests.fuzz.viewer` goes on."""

from __future__ import annotations

import pytest

from tests.fuzz.viewer import fuzz

STEPS = 1_500


@pytest.mark.parametrize("seed", [0, 1_000_000, 2_000_000])
async def test_whatever_strangers_and_viewers_send_is_survived(seed: int) -> None:
    """Datagrams, TURN messages, RTCP, offers, candidates, messages: nothing raises or answers."""
    assert await fuzz(seed, lambda tried: tried < STEPS) == 0
