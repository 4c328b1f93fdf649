"""Which of the candidates of one viewer are checked: the useful ones, within bounds.

A browser on a machine with containers and tunnels names dozens of addresses, and the relay, which
may be the only one that works, comes last (RFC 8838 §4). So what cannot be used takes nobody's
place, and each type has places of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from aiortc import RTCIceCandidate

from gateway.webrtc.ice_candidates import Network, usable_candidates

PLACES = {"host": 16, "srflx": 12, "relay": 12}
"""Candidates of each type that are checked in one session; of more in one batch those with the
highest priority. Each is paired with each of ours."""

LINES = 512
"""Candidates of one session that are looked at, used or not; those that come later are ignored."""


class RemoteCandidates:
    """The candidates of one session, from its first message on.

    Args:
        forbidden_networks: Where none may lie.

    Attributes:
        looked_at: Candidates that were looked at, `LINES` at most.
    """

    def __init__(self, forbidden_networks: tuple[Network, ...] = ()) -> None:
        self._forbidden_networks = forbidden_networks
        self._taken: Counter[str] = Counter()
        self._known: set[tuple[str, int]] = set()
        self._waiting: list[RTCIceCandidate] = []
        self.looked_at = 0

    def add(self, lines: Iterable[str]) -> None:
        """Take what can be used of *lines* (``candidate:...``) and has a place; drop the rest."""
        read = list(islice(lines, LINES - self.looked_at))
        self.looked_at += len(read)
        usable = usable_candidates(read, forbidden_networks=self._forbidden_networks)
        for candidate in sorted(usable, key=lambda each: -each.priority):
            address = candidate.ip, candidate.port
            if address not in self._known and self._taken[candidate.type] < PLACES[candidate.type]:
                self._known.add(address)
                self._taken[candidate.type] += 1
                self._waiting.append(candidate)

    def pop(self) -> tuple[RTCIceCandidate, ...]:
        """Return those taken since the last call."""
        taken, self._waiting = tuple(self._waiting), []
        return taken
