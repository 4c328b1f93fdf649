"""The fuzzer of commands, for some messages; `python -m tests.fuzz.commands` goes on."""

from __future__ import annotations

import pytest

from tests.fuzz.commands import fuzz

MESSAGES = 400


@pytest.mark.parametrize("seed", [0, 1_000_000])
async def test_whatever_is_asked_is_acknowledged_and_done_once_at_most(seed: int) -> None:
    """Damaged, of other types, to other places: no bug, no answer elsewhere."""
    assert await fuzz(seed, lambda tried: tried < MESSAGES) == 0
