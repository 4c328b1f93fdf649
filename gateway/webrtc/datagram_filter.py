"""Which datagrams may reach ICE, DTLS and us through an open UDP port.

aioice gives every datagram from any source to DTLS. A single empty one ends a live session, and
its queue is unbounded. So each datagram is filtered by its first byte (RFC 7983 §7). STUN goes to
`gateway.webrtc.consent` or to aioice, which verify its signature. DTLS and SRTCP pass only from an
address whose connectivity check is running or has succeeded. The rest is counted and dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiortc import RTCIceGatherer

from gateway.ports import Clock
from gateway.runtime.rate_limit import TokenBucket
from gateway.webrtc import aiortc_compat
from gateway.webrtc.aiortc_compat import Address, DatagramHandler
from gateway.webrtc.inbound_drops import DropCause, InboundDrops

LARGEST_BYTES = 1_500
"""Larger datagrams are dropped: no viewer sends them."""

"""Larger datagrams are dropped: no viewer sends them."""

DTLS_BURST, DTLS_PER_S = 64, 4
"""DTLS datagrams of one viewer: a handshake takes about ten, each sent again a few times; after it
comes one alert."""

SRTCP_BURST, SRTCP_PER_S = 500, 500
"""SRTCP datagrams of one viewer. Browsers send one for each gap that they see, and a report a
second; 1,000 packets a second with every second one lost are 500."""

_STUN_COOKIE = b"\x21\x12\xa4\x42"


class DatagramFilter:
    """Stands in front of every candidate of one viewer.

    Args:
        gatherer: Has gathered the candidates.
        on_srtcp: Called with each SRTP or SRTCP datagram of the viewer, still encrypted; returns
            why it has dropped it.
        on_stun: Called with each STUN message, its source and aioice's transport; returns whether
            it has handled it. If not, aioice gets it.
        drops: Counts what is dropped.
        clock: Monotonic, for the budgets.
    """

    def __init__(
        self,
        gatherer: RTCIceGatherer,
        on_srtcp: Callable[[bytes], DropCause | None],
        on_stun: Callable[[bytes, Address, Any], bool],
        *,
        drops: InboundDrops,
        clock: Clock,
    ) -> None:
        self._gatherer = gatherer
        self._on_srtcp = on_srtcp
        self._on_stun = on_stun
        self._checked_address: Address | None = None
        self._drops = drops
        self._srtcp_budget = TokenBucket(SRTCP_PER_S * 60, SRTCP_BURST, clock=clock)
        self._dtls_budget = TokenBucket(DTLS_PER_S * 60, DTLS_BURST, clock=clock)
        self.last_received_s = time.monotonic()
        """When the last datagram came from a checked address, on the monotonic clock."""
        for protocol in aiortc_compat.stun_protocols(gatherer):
            aiortc_compat.wrap_datagrams(protocol, partial(self._wrap, protocol.transport))

    def _wrap(self, transport: Any, deliver: DatagramHandler) -> DatagramHandler:
        def received(datagram: bytes, address: Address) -> None:
            source = address[0], address[1]
            cause = self._forward(datagram, source, transport, deliver)
            if cause is not None:
                self._drops.count(cause, source[0])

        return received

    def _forward(
        self, datagram: bytes, address: Address, transport: Any, deliver: DatagramHandler
    ) -> DropCause | None:
        """Hand *datagram* to who it is for; else return why not."""
        if not 0 < len(datagram) <= LARGEST_BYTES:
            return DropCause.SHAPE
        checked = self._is_checked(address)
        kind = datagram[0]
        if kind < 4:
            return self._forward_stun(datagram, address, transport, deliver)
        if not checked:
            return DropCause.UNCHECKED
        if 128 <= kind < 192:
            return self._forward_srtcp(datagram)
        if not 20 <= kind < 64:
            return DropCause.SHAPE
        if not self._dtls_budget.try_acquire():
            return DropCause.DTLS_BUDGET
        deliver(datagram, address)
        return None

    def _forward_stun(
        self, datagram: bytes, address: Address, transport: Any, deliver: DatagramHandler
    ) -> DropCause | None:
        if len(datagram) < 20 or datagram[4:8] != _STUN_COOKIE:
            return DropCause.STUN_SHAPE
        if not self._on_stun(datagram, address, transport):
            deliver(datagram, address)
        return None

    def _forward_srtcp(self, datagram: bytes) -> DropCause | None:
        if not self._srtcp_budget.try_acquire():
            return DropCause.SRTCP_BUDGET
        return self._on_srtcp(datagram)

    def _is_checked(self, address: Address) -> bool:
        if address != self._checked_address:
            if not aiortc_compat.is_checked(self._gatherer, address):
                return False
            self._checked_address = address
        self.last_received_s = time.monotonic()
        return True
