"""The one retry loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.model.errors import SourceRefused, SourceUnavailable, TransientError
from gateway.model.reasons import Reason
from gateway.runtime.supervise import STEADY_S, backoff, supervise
from tests.fixtures.clock import FakeClock

REFUSED = SourceRefused(Reason.NOT_FOUND, "end of test")


def one_two_four() -> Iterator[float]:
    yield from (1.0, 2.0, 4.0, 8.0)


class Runs:
    """A component whose runs last as told and then fail; at the end it is refused."""

    def __init__(self, clock: FakeClock, *lasts_s: float, **pauses: float) -> None:
        self._clock = clock
        self._lasts = iter(lasts_s)
        self._pauses = pauses

    async def __call__(self) -> None:
        lasts_s = next(self._lasts, None)
        if lasts_s is None:
            raise REFUSED
        self._clock.time_s += lasts_s
        raise SourceUnavailable(Reason.REFUSED, "refused", **self._pauses)


async def test_pauses_grow_until_a_run_was_steady() -> None:
    """Two quick failures pause 1 and 2 s; after a steady run the pause is 1 s again."""
    clock = FakeClock()

    with pytest.raises(SourceRefused):
        await supervise(
            Runs(clock, 0.0, 0.0, STEADY_S), name="cam", clock=clock, delays=one_two_four
        )

    assert clock.slept == [1.0, 2.0, 1.0]


async def test_a_run_that_was_short_does_not_start_over() -> None:
    """A camera that accepts and drops us must not be hammered."""
    clock = FakeClock()

    with pytest.raises(SourceRefused):
        await supervise(
            Runs(clock, 0.0, STEADY_S - 1, 0.0), name="cam", clock=clock, delays=one_two_four
        )

    assert clock.slept == [1.0, 2.0, 4.0]


async def test_an_error_may_ask_for_a_longer_pause() -> None:
    """A recorder without a free session is left alone for longer than the first backoff."""
    clock = FakeClock()

    with pytest.raises(SourceRefused):
        await supervise(Runs(clock, 0.0, pause_s=30.0), name="cam", clock=clock)

    assert clock.slept == [30.0]


async def test_an_error_may_ask_for_a_shorter_pause() -> None:
    """What is mended by a clock that is set is looked at soon, however often it has failed."""
    clock = FakeClock()

    with pytest.raises(SourceRefused):
        await supervise(
            Runs(clock, 0.0, 0.0, 0.0, longest_s=2.0), name="b", clock=clock, delays=one_two_four
        )

    assert clock.slept == [1.0, 2.0, 2.0]


async def test_a_bug_is_not_retried() -> None:
    """Whatever is not in our tree ends the process."""
    clock = FakeClock()

    async def run() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await supervise(run, name="cam", clock=clock)

    assert clock.slept == []


async def test_the_observer_hears_of_every_failure() -> None:
    """With the error and the time to the next attempt."""
    clock = FakeClock()
    heard: list[tuple[Reason, float]] = []

    class Observer:
        def on_failure(self, error: TransientError, again_in_s: float) -> None:
            heard.append((error.reason, again_in_s))

    with pytest.raises(SourceRefused):
        await supervise(
            Runs(clock, 0.0, 0.0),
            name="cam",
            clock=clock,
            observer=Observer(),
            delays=one_two_four,
        )

    assert heard == [(Reason.REFUSED, 1.0), (Reason.REFUSED, 2.0)]


def test_the_backoff_is_short_for_a_minute_and_then_grows_to_one() -> None:
    """2, 4, then 6 s until a minute has passed, then 12, 24, 48, 60 s; give or take 20 %."""
    delays = backoff()

    for meant in (2, 4, *[6] * 9, 12, 24, 48, 60, 60):
        assert meant * 0.8 <= next(delays) <= meant * 1.2
