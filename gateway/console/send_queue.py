"""What waits to be sent to one browser: signalling in order, states only as they are now.

A slow browser costs a bounded amount: changes of a site are merged until it reads, so it misses
intermediate states and never the last; signalling that it does not read ends its connection.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.console.messages import broker, sites
from gateway.console.site_registry import Change, SiteRegistry
from gateway.console.views import BrokerView

MOST_SIGNALS = 256
"""A whole wall of 16 pictures needs about 50 at once."""

MOST_SITES = 200
"""Sites in one message, so that signalling never waits behind a long snapshot."""


class SendQueue:
    """Owned by one browser's connection; everything happens on the event loop."""

    def __init__(self, register: SiteRegistry) -> None:
        self._register = register
        self._signals: deque[str] = deque()
        self._broker: BrokerView | None = None
        self._changed: dict[str, Change] = {}
        self._fresh = True
        self._wake = asyncio.Event()
        self.overflown = False

    def snapshot(self) -> None:
        """Plan to tell all sites anew."""
        self._fresh = True
        self._changed = {gateway: Change(gateway) for gateway in self._register.gateways()}
        self._wake.set()

    def signal(self, text: str) -> None:
        """Add signalling; too much of it marks the box as overflown."""
        if len(self._signals) >= MOST_SIGNALS:
            self.overflown = True
        else:
            self._signals.append(text)
        self._wake.set()

    def note(self, change: Change) -> None:
        """Remember that *change* must be told."""
        held = self._changed.pop(change.gateway, None)
        self._changed[change.gateway] = _merged(held, change)
        self._wake.set()

    def turn(self, view: BrokerView) -> None:
        """Remember that the broker has come or gone."""
        self._broker = view
        self._wake.set()

    async def take(self) -> str:
        """Return the next message; signalling first."""
        while True:
            if self._signals:
                return self._signals.popleft()
            if self._broker is not None:
                view, self._broker = self._broker, None
                return broker(view)
            if self._changed or self._fresh:
                return self._sites()
            self._wake.clear()
            await self._wake.wait()

    def _sites(self) -> str:
        full, self._fresh = self._fresh, False
        views, gone = [], []
        for gateway in list(self._changed)[:MOST_SITES]:
            change = self._changed.pop(gateway)
            view = None if change.gone else self._register.view(change)
            if view is None:
                gone.append(gateway)
            else:
                views.append(view)
        return sites(tuple(views), tuple(gone), full=full)


def _merged(held: Change | None, change: Change) -> Change:
    if held is None or change.gone or change.cameras is None:
        return change
    if held.gone or held.cameras is None:
        return Change(change.gateway)
    return Change(change.gateway, held.cameras | change.cameras)
