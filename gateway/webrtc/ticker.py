"""The one beat of all sessions: what each must do every second is done for all, back to back.

A timer for each session is a cold wake-up for each, at twelve moments of a second with twelve
viewers; the second session of a round finds the code and the tables of the first in the caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.runtime.clock import SystemClock

TICK_S = 1.0

SLICE = 32
"""Calls in one go, about a millisecond; then whatever else the loop has to do comes first."""


class Ticker:
    """Calls every member once a second.

    What a member raises is a bug and ends `run`: whatever may go wrong with one session is that
    session's to catch.
    """

    def __init__(self) -> None:
        self._subscribers: dict[Callable[[], None], None] = {}
        self._subscribed = asyncio.Event()
        self._clock = SystemClock()

    @contextmanager
    def subscribe(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within this context *member* is called, first within little more than a second.

        It must be quick, and may leave or let others leave.
        """
        self._subscribers[callback] = None
        self._subscribed.set()
        try:
            yield
        finally:
            del self._subscribers[callback]

    async def run(self) -> None:
        """Call the members until cancelled. While there is none nothing is woken."""
        while True:
            if not self._subscribers:
                self._subscribed.clear()
                await self._subscribed.wait()
            await self._clock.sleep(TICK_S)
            await self._tick()

    async def _tick(self) -> None:
        for number, member in enumerate(tuple(self._subscribers), 1):
            if member in self._subscribers:  # it may have left since the round began
                member()
            if number % SLICE == 0:
                await asyncio.sleep(0)
