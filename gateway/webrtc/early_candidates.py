"""Candidates that come before the offer that they belong to (RFC 8838 §4.3) wait for it."""

from __future__ import annotations

from gateway.model.signalling import SessionKey
from gateway.ports import Clock
from gateway.runtime.fair_share import Bounds, FairTable
from gateway.webrtc.ice_candidates import Network
from gateway.webrtc.remote_candidates import RemoteCandidates

EARLY_S = 10.0
"""How long candidates wait for their offer."""

EARLY_SESSIONS = Bounds(total=32, each=16)
"""How many sessions may have candidates waiting, of all viewers and of one: a page of 16 pictures.
Beyond that those go that came first of whoever has most."""


class EarlyCandidates:
    """Candidates by session, for `EARLY_S` seconds.

    Args:
        forbidden_networks: Where none may lie.
        clock: Monotonic.
    """

    def __init__(self, forbidden_networks: tuple[Network, ...], clock: Clock) -> None:
        self._forbidden_networks = forbidden_networks
        self._clock = clock
        self._waiting: FairTable[SessionKey, tuple[float, RemoteCandidates]] = FairTable(
            viewer_of, EARLY_SESSIONS
        )

    def store(self, key: SessionKey, lines: list[str]) -> None:
        """Add *lines* to those of *key*."""
        since_s, stored = self._waiting.pop(key) or (self._clock.now(), self._none())
        stored.add(lines)
        self._waiting.store(key, (since_s, stored))

    def pop(self, key: SessionKey) -> RemoteCandidates:
        """Return and forget those of *key*; none if the first came too long ago."""
        since_s, stored = self._waiting.pop(key) or (0.0, self._none())
        return stored if self._clock.now() - since_s <= EARLY_S else self._none()

    def _none(self) -> RemoteCandidates:
        return RemoteCandidates(self._forbidden_networks)


def viewer_of(key: SessionKey) -> str:
    """Return whose session it is."""
    return key.viewer
