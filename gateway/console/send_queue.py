"""What waits to be sent to one browser: signalling in order, states only as they are now.

A slow browser costs a bounded amount: changes of a site are merged until it reads, so it misses
intermediate states and never the last; signalling that it does not read ends its connection.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.console.messages import broker_message, sites_message
from gateway.console.site_registry import Change, SiteRegistry
from gateway.console.views import BrokerView

MAX_SIGNALS = 256
"""A whole wall of 16 pictures needs about 50 at once."""

MAX_SITES_IN_MESSAGE = 200
"""Sites in one message, so that signalling never waits behind a long snapshot."""


class SendQueue:
    """Owned by one browser's connection; everything happens on the event loop."""

    def __init__(self, registry: SiteRegistry) -> None:
        self._registry = registry
        self._signals: deque[str] = deque()
        self._broker: BrokerView | None = None
        self._changed: dict[str, Change] = {}
        self._fresh = True
        self._wake = asyncio.Event()
        self.overflowed = False

    def enqueue_snapshot(self) -> None:
        """Plan to tell all sites anew."""
        self._fresh = True
        self._changed = {gateway: Change(gateway) for gateway in self._registry.gateways()}
        self._wake.set()

    def enqueue_signal(self, text: str) -> None:
        """Add signalling; too much of it marks the box as overflown."""
        if len(self._signals) >= MAX_SIGNALS:
            self.overflowed = True
        else:
            self._signals.append(text)
        self._wake.set()

    def enqueue_change(self, change: Change) -> None:
        """Remember that *change* must be told."""
        held = self._changed.pop(change.gateway, None)
        self._changed[change.gateway] = _merged(held, change)
        self._wake.set()

    def enqueue_broker(self, view: BrokerView) -> None:
        """Remember that the broker has come or gone."""
        self._broker = view
        self._wake.set()

    async def next_message(self) -> str:
        """Return the next message; signalling first."""
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
        for gateway in list(self._changed)[:MAX_SITES_IN_MESSAGE]:
            change = self._changed.pop(gateway)
            view = None if change.gone else self._registry.view(change)
            if view is None:
                gone.append(gateway)
            else:
                views.append(view)
        return sites_message(tuple(views), tuple(gone), full=full)


def _merged(held: Change | None, change: Change) -> Change:
    if held is None or change.gone or change.cameras is None:
        return change
    if held.gone or held.cameras is None:
        return Change(change.gateway)
    return Change(change.gateway, held.cameras | change.cameras)
