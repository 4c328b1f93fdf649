"""The fuzzer of a broker's answers, for some of them; `python -m tests.fuzz.broker` goes on."""

from __future__ import annotations

import pytest

from tests.fuzz.broker import fuzz

CONNECTIONS = 150


@pytest.mark.parametrize("seed", [0, 1_000_000])
async def test_whatever_a_broker_answers_the_connection_ends_in_good_order(seed: int) -> None:
    """Damaged packets, wrong orders, by TCP and websocket: a reason of ours, nothing later."""
    assert await fuzz(seed, lambda tried: tried < CONNECTIONS) == 0
