"""One timer for all sessions.

With a timer each, twelve viewers are twelve wake-ups a second with cold caches. Called one behind
the other, the second session finds the code and tables of the first in the caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.runtime.clock import SystemClock

TICK_S = 1.0

SLICE = 32
"""Calls without a pause, about a millisecond; then the event loop runs what else is ready."""


class Ticker:
    """Calls every subscriber once a second.

    A subscriber must catch what may fail in its session: what it raises ends `run`.
    """

    def __init__(self) -> None:
        self._subscribers: dict[Callable[[], None], None] = {}
        self._subscribed = asyncio.Event()
        self._clock = SystemClock()

    @contextmanager
    def subscribe(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call *callback* once a second within this context, the first time after a second or so.

        It must return quickly. It may end its own subscription, or another's.
        """
        self._subscribers[callback] = None
        self._subscribed.set()
        try:
            yield
        finally:
            del self._subscribers[callback]

    async def run(self) -> None:
        """Call the subscribers until cancelled. While there is none, no timer runs."""
        while True:
            if not self._subscribers:
                self._subscribed.clear()
                await self._subscribed.wait()
            await self._clock.sleep(TICK_S)
            await self._tick()

    async def _tick(self) -> None:
        for number, callback in enumerate(tuple(self._subscribers), 1):
            if callback in self._subscribers:  # another may have ended it in this tick
                callback()
            if number % SLICE == 0:
                await asyncio.sleep(0)
