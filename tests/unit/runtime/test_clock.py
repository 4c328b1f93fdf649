"""Sleeps on the real clock."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.runtime.clock import EARLY_S, LONG_S, TICK_S, SystemClock


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long asyncio is asked to sleep; it does not."""
    asked: list[float] = []

    async def sleep(delay_s: float) -> Any:
        asked.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


@pytest.mark.parametrize("delay_s", [0.5, 1.0, 5.0, 60.0, 86_400.0])
async def test_long_sleeps_end_on_common_ticks(
    slept: list[float], delay_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not noticeably sooner than asked for, and a quarter of a second later at most."""
    monkeypatch.setattr("gateway.runtime.clock.time", SimpleNamespace(monotonic=lambda: 100.1))
    clock = SystemClock()
    before_s = clock.now()

    await clock.sleep(delay_s)
    (asked_s,) = slept

    assert delay_s - EARLY_S <= asked_s <= delay_s + TICK_S
    ticks = (before_s + asked_s) / TICK_S
    assert ticks == pytest.approx(round(ticks), abs=0.1)


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.2, LONG_S - 0.01])
async def test_short_sleeps_are_as_long_as_they_are(slept: list[float], delay_s: float) -> None:
    """Who asks for milliseconds means them."""
    await SystemClock().sleep(delay_s)

    assert slept == [delay_s]


async def test_who_works_a_little_after_each_tick_keeps_its_period(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look every half second is not one every three quarters."""
    now_s = 100.0
    monkeypatch.setattr("gateway.runtime.clock.time", SimpleNamespace(monotonic=lambda: now_s))
    for _ in range(10):
        now_s += 0.005
        await SystemClock().sleep(0.5)
        now_s += slept[-1]

    assert now_s == pytest.approx(105.0)
