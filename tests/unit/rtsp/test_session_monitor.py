"""When a camera has stalled, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from gateway.model.errors import SourceStalled
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.session_monitor import SessionMonitor
from tests.fixtures.clock import FakeClock

STALL_S = 5.0


class Line:
    """A connection on which time passes; what happens meanwhile, and how late we are, is told."""

    def __init__(self, clock: FakeClock, meanwhile: Callable[[int], float]) -> None:
        self._clock = clock
        self._meanwhile = meanwhile
        self.waits = 0

    async def wait_ended(self, *, timeout_s: float) -> None:
        self.waits += 1
        self._clock.time_s += timeout_s + self._meanwhile(self.waits)
        await asyncio.sleep(0)


def monitor(clock: FakeClock, stats: ReceiverStats, line: Line) -> SessionMonitor:
    anything = cast("Any", None)
    return SessionMonitor(
        requests=anything,
        connection=cast("Any", line),
        session=anything,
        url="rtsp://camera/",
        methods=frozenset(),
        receiver_stats=stats,
        send_rtcp=lambda _: None,
        clock=clock,
    )


async def stalled_after_s(meanwhile: Callable[[int, ReceiverStats, FakeClock], float]) -> float:
    """How long after the last packet it has stalled; *meanwhile* says how late each look is."""
    clock, stats = FakeClock(), ReceiverStats()
    stats.last_rtp_s = clock.now()
    line = Line(clock, lambda number: meanwhile(number, stats, clock))
    with pytest.raises(SourceStalled):
        await monitor(clock, stats, line)._watch_stalls(STALL_S)
    return clock.now() - stats.last_rtp_s


async def test_a_silent_camera_has_stalled_after_its_time() -> None:
    """No sooner and no later."""
    assert await stalled_after_s(lambda *_: 0.0) == pytest.approx(STALL_S)


async def test_while_our_loop_is_late_a_camera_has_not_stalled() -> None:
    """Stopped for a minute: its pictures are in the kernel, and have their turn first."""

    def stopped_once(number: int, stats: ReceiverStats, clock: FakeClock) -> float:
        if number == 2:  # what has come meanwhile is read a turn after the late one
            stats.last_rtp_s = clock.now()
        return 60.0 if number == 1 else 0.0

    assert await stalled_after_s(stopped_once) == pytest.approx(STALL_S)


async def test_a_camera_of_a_machine_that_is_always_late_stalls_at_last() -> None:
    """Or nobody would know that it is gone."""
    assert STALL_S < await stalled_after_s(lambda *_: 1.0) < 20 * STALL_S
