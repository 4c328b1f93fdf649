"""The real clock, whose long sleeps end together."""

from __future__ import annotations

import asyncio
import math
import time

TICK_S = 0.25
"""Whoever sleeps for long wakes on one of these ticks of the clock, with all the others: each
wake-up of its own costs the caches of everything that the fast path has in them meanwhile."""

LONG_S = 2 * TICK_S
"""From here on a sleep may be that much longer than asked for."""

EARLY_S = 0.025
"""Or this much shorter, so that who sleeps after each tick's work does not miss the next."""


def now_ms() -> int:
    """Return the wall clock in ms since 1970, UTC. It may jump: only for what people read."""
    return time.time_ns() // 1_000_000


class SystemClock:
    """`gateway.ports.Clock` by the machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        if delay_s >= LONG_S:
            now_s = time.monotonic()
            delay_s = math.ceil((now_s + delay_s - EARLY_S) / TICK_S) * TICK_S - now_s
        await asyncio.sleep(delay_s)
