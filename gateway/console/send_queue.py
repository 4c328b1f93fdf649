"""Messages that wait to be sent to one browser: signalling in order, states as they are now.

A slow browser costs a bounded amount of memory. Changes of a site are merged until the browser
reads, so it may miss intermediate states but never the last one. Signalling cannot be merged; if
too much of it waits, the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.console.messages import broker_message, sites_message
from gateway.console.site_registry import Change, SiteRegistry
from gateway.console.views import BrokerView

MAX_SIGNALS = 256
"""Most signalling messages that may wait. A wall of 16 pictures needs about 50 at once."""

MAX_SITES_IN_MESSAGE = 200
"""Most sites in one message, so that signalling does not wait behind a long snapshot."""


class SendQueue:
    """The queue of one browser. Not thread-safe.

    Args:
        registry: Views of the sites are made when they are sent.

    Attributes:
        overflowed: More than `MAX_SIGNALS` have waited; the connection must be closed.
    """

    def __init__(self, registry: SiteRegistry) -> None:
        self._registry = registry
        self._signals: deque[str] = deque()
        self._broker: BrokerView | None = None
        self._changed: dict[str, Change] = {}
        self._fresh = True
        self._wake = asyncio.Event()
        self.overflowed = False

    def enqueue_snapshot(self) -> None:
        """Have all sites sent, replacing what the browser knows."""
        self._fresh = True
        self._changed = {key: Change(key) for key in self._registry.site_keys()}
        self._wake.set()

    def enqueue_signal(self, text: str) -> None:
        """Add an encoded signalling message, or set `overflowed` if `MAX_SIGNALS` wait already."""
        if len(self._signals) >= MAX_SIGNALS:
            self.overflowed = True
        else:
            self._signals.append(text)
        self._wake.set()

    def enqueue_change(self, change: Change) -> None:
        """Have *change* sent, merged with an earlier one of the same site."""
        held = self._changed.pop(change.site, None)
        self._changed[change.site] = _merged(held, change)
        self._wake.set()

    def enqueue_broker(self, view: BrokerView) -> None:
        """Have the state of the broker sent."""
        self._broker = view
        self._wake.set()

    async def next_message(self) -> str:
        """Wait for the next message and return it, signalling first."""
        while True:
            if self._signals:
                return self._signals.popleft()
            if self._broker is not None:
                view, self._broker = self._broker, None
                return broker_message(view)
            if self._changed or self._fresh:
                return self._next_sites()
            self._wake.clear()
            await self._wake.wait()

    def _next_sites(self) -> str:
        full, self._fresh = self._fresh, False
        views, gone = [], []
        for key in list(self._changed)[:MAX_SITES_IN_MESSAGE]:
            change = self._changed.pop(key)
            view = None if change.gone else self._registry.view(change)
            if view is None:
                gone.append(key)
            else:
                views.append(view)
        return sites_message(tuple(views), tuple(gone), full=full)


def _merged(held: Change | None, change: Change) -> Change:
    if held is None or change.gone or change.cameras is None:
        return change
    if held.gone or held.cameras is None:
        return Change(change.site)
    return Change(change.site, held.cameras | change.cameras)
