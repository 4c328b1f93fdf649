"""Candidates that come before the offer that they belong to (RFC 8838 §4.3) wait for it."""

from __future__ import annotations

from gateway.model.signalling import SessionKey
from gateway.ports import Clock
from gateway.runtime.fair_share import Bounds, FairTable
from gateway.webrtc.sdp_offer import CANDIDATES

EARLY_S = 10.0
"""How long candidates wait for their offer."""

EARLY_SESSIONS = Bounds(total=32, each=16)
"""How many sessions may have candidates waiting, of all viewers and of one: a page of 16 pictures.
Beyond that those go that came first of whoever has most."""


class EarlyCandidates:
    """Candidates by session, for `EARLY_S` seconds.

    Args:
        clock: Monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: FairTable[SessionKey, tuple[float, list[str]]] = FairTable(
            viewer_of, EARLY_SESSIONS
        )

    def store(self, key: SessionKey, lines: list[str]) -> None:
        """Add *lines* to those of *key*, `CANDIDATES` in all."""
        since_s, stored = self._waiting.pop(key) or (self._clock.now(), [])
        self._waiting.store(key, (since_s, [*stored, *lines][:CANDIDATES]))

    def pop(self, key: SessionKey) -> list[str]:
        """Return and forget the lines of *key*; none if the first came too long ago."""
        since_s, lines = self._waiting.pop(key) or (0.0, [])
        return lines if self._clock.now() - since_s <= EARLY_S else []


def viewer_of(key: SessionKey) -> str:
    """Return whose session it is."""
    return key.viewer
