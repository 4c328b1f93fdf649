"""Silence, and time limits, of the time for which our own loop was not late."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.runtime.lateness import Silence, time_limit
from tests.fixtures.clock import HANG_S, FakeClock


class Looks:
    """Looks at somebody who was heard at *heard_s*."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.heard_s = self.clock.now()
        self.silence = Silence(self.clock.now)

    def after(self, *seconds: float, unheard: bool = False) -> float:
        """What is found when looks planned after a second come after so many *seconds*."""
        for each in seconds:
            self.clock.time_s += each
            found = self.silence.look(self.heard_s, after_s=1.0, unheard=unheard)
        return found


def test_silence_grows_with_the_time() -> None:
    """As long as we look when we wanted to."""
    assert Looks().after(1.0, 1.2, 0.8, 1.0) == pytest.approx(4.0)


def test_whoever_is_heard_is_not_silent() -> None:
    """Only the time since then counts."""
    looks = Looks()
    looks.after(1.0, 1.0)
    looks.heard_s = looks.clock.now() + 0.4

    assert looks.after(1.0) == pytest.approx(0.6)


def test_a_look_that_is_late_gives_nobody_up() -> None:
    """A process that was stopped for a minute has heard nobody."""
    looks = Looks()

    assert looks.after(1.0, 60.0) < 1.5
    assert looks.silence.late_s == pytest.approx(59.0)


def test_whoever_says_nothing_at_a_slow_machine_is_given_up_later() -> None:
    """Each look is late: silence grows all the same, or nobody would ever be given up."""
    assert Looks().after(*[3.0] * 40) == pytest.approx(10.0)


def test_whom_we_could_not_hear_is_not_silent() -> None:
    """Whatever the time."""
    assert Looks().after(*[1.0] * 100, unheard=True) == 0.0


async def test_a_time_limit_ends_what_takes_longer() -> None:
    """As `asyncio.timeout` does."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(HANG_S), time_limit(0.02):
            await asyncio.Event().wait()


async def test_within_a_time_limit_nothing_happens() -> None:
    """And no timer is left behind."""
    async with time_limit(HANG_S):
        await asyncio.sleep(0)


async def test_a_limit_gives_what_has_come_meanwhile_its_turn() -> None:
    """Our own loop stands still until the time is over: what others sent by then is read first."""
    reader = asyncio.StreamReader()

    async with asyncio.timeout(HANG_S), time_limit(0.2):
        loop = asyncio.get_running_loop()
        loop.call_soon(time.sleep, 0.9)  # the loop stands still
        loop.call_later(0.5, loop.call_soon, reader.feed_data, b"x")  # read a turn later
        said = await reader.read(1)

    assert said == b"x"
