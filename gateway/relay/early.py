"""Candidates that come before their session."""

from __future__ import annotations

import time
from collections import OrderedDict

from gateway.model.signalling import SessionKey
from gateway.relay.offer import CANDIDATES

EARLY_S = 10.0
"""How long candidates wait for the offer, or for the camera to open."""

SESSIONS = 32


class Early:
    """Keeps them for a few seconds and a few sessions."""

    def __init__(self) -> None:
        self._kept: OrderedDict[SessionKey, tuple[float, list[str]]] = OrderedDict()

    def keep(self, key: SessionKey, lines: list[str]) -> None:
        """Add *lines* to what is kept for *key*."""
        since_s, kept = self._kept.pop(key, (time.monotonic(), []))
        self._kept[key] = since_s, [*kept, *lines][:CANDIDATES]
        while len(self._kept) > SESSIONS:
            self._kept.popitem(last=False)

    def take(self, key: SessionKey) -> list[str]:
        """Return what is kept for *key*, unless it is too old, and forget it."""
        since_s, lines = self._kept.pop(key, (0.0, []))
        return lines if time.monotonic() - since_s <= EARLY_S else []
