"""Bursts are handed on at the pace at which they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit
from gateway.sources.paced_sink import MOST_HELD_BYTES, PacedSink
from tests.fixtures.clock import FakeClock
from tests.fixtures.sinks import RecordingSink


class Timers:
    """What was asked of `call_later`, on a clock that is moved by hand."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._handles: list[asyncio.TimerHandle] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        when_s = self._clock.now() + delay_s
        handle = asyncio.TimerHandle(when_s, call, (), asyncio.get_event_loop())
        self._handles.append(handle)
        return handle

    def pass_time(self, seconds: float) -> None:
        """Move the clock, calling on the way whatever is due."""
        until_s = self._clock.time_s + seconds
        while True:
            due = [
                each for each in self._handles if not each.cancelled() and each.when() <= until_s
            ]
            if not due:
                break
            first = min(due, key=asyncio.TimerHandle.when)
            self._handles.remove(first)
            self._clock.time_s = max(self._clock.time_s, first.when())
            first._run()
        self._clock.time_s = until_s


def unit(shown_s: float) -> AccessUnit:
    return AccessUnit((b"x",), round(shown_s * VIDEO_CLOCK_HZ), True, 0.0, 1)


def shown(sink: RecordingSink) -> list[float]:
    return [round(each.time_90k / VIDEO_CLOCK_HZ, 3) for each in sink.units]


async def test_a_burst_is_spread_over_its_time() -> None:
    """The first at once; each has come when it is handed on."""
    clock, sink = FakeClock(), RecordingSink()
    timers = Timers(clock)
    paced = PacedSink(sink, clock, timers.call_later)
    for index in range(50):
        paced.deliver(unit(index * 0.04))

    assert shown(sink) == [0.0]
    assert round(paced.held_s, 3) == 1.96
    timers.pass_time(1.0)
    assert len(sink.units) == 26
    timers.pass_time(1.0)
    assert len(sink.units) == 50
    assert round(sink.units[-1].arrived_s - sink.units[0].arrived_s, 3) == 1.96


async def test_a_late_burst_makes_all_later() -> None:
    """Nothing was left to show: the pace goes on from there, once."""
    clock, sink = FakeClock(), RecordingSink()
    timers = Timers(clock)
    paced = PacedSink(sink, clock, timers.call_later)
    for start_s, late_s in ((0.0, 0.0), (2.0, 0.3), (4.0, 0.1)):
        timers.pass_time(max(0.0, 1_000.0 + start_s + late_s - clock.now()))
        for index in range(50):
            paced.deliver(unit(start_s + index * 0.04))
    timers.pass_time(10.0)

    due_s = [each.arrived_s - each.time_90k / VIDEO_CLOCK_HZ - 1_000.0 for each in sink.units]
    assert [round(due_s[at], 3) for at in (0, 49, 50, 99, 100, 149)] == [0, 0, 0.3, 0.3, 0.3, 0.3]


async def test_no_more_is_held_than_allowed() -> None:
    """What is beyond goes out at once; a jump of the times holds nothing up."""
    clock, sink = FakeClock(), RecordingSink()
    timers = Timers(clock)
    paced = PacedSink(sink, clock, timers.call_later)
    paced.longest_s = 3.0
    for index in range(100):
        paced.deliver(unit(index * 0.1))

    assert shown(sink)[-1] == 6.9
    assert paced.held_s == 3.0
    paced.deliver(unit(1_000.0))
    assert len(sink.units) == 100


async def test_memory_is_bounded() -> None:
    """However little time the pictures span."""
    clock, sink = FakeClock(), RecordingSink()
    paced = PacedSink(sink, clock, Timers(clock).call_later)
    for index in range(50):
        paced.deliver(replace(unit(index * 0.04), size_bytes=1 << 20))

    held = 50 - len(sink.units)
    assert held << 20 == MOST_HELD_BYTES


async def test_closing_hands_on_what_is_held() -> None:
    """At once; no timer is left."""
    clock, sink = FakeClock(), RecordingSink()
    timers = Timers(clock)
    paced = PacedSink(sink, clock, timers.call_later)
    paced.deliver(unit(0.0))
    paced.deliver(unit(1.0))
    paced.close()
    timers.pass_time(5.0)

    assert shown(sink) == [0.0, 1.0]
