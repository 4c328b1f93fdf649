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

from gateway.webrtc import aiortc_compat
from gateway.webrtc.aiortc_compat import Address, DatagramHandler

LARGEST_BYTES = 1_500
"""Larger datagrams are dropped: no viewer sends them."""

"""Larger datagrams are dropped: no viewer sends them."""

DTLS_QUEUE = 64
"""Datagrams that may wait for DTLS; a handshake takes about ten."""

_STUN_COOKIE = b"\x21\x12\xa4\x42"


class DatagramFilter:
    """Stands in front of every candidate of one viewer.

    Args:
        gatherer: Has gathered the candidates.
        on_srtcp: Called with each SRTP or SRTCP datagram of the viewer, still encrypted.
        on_stun: Called with each STUN message, its source and aioice's transport; returns whether
            it has handled it. If not, aioice gets it.
    """

    def __init__(
        self,
        gatherer: RTCIceGatherer,
        on_srtcp: Callable[[bytes], None],
        on_stun: Callable[[bytes, Address, Any], bool],
    ) -> None:
        self._gatherer = gatherer
        self._on_srtcp = on_srtcp
        self._on_stun = on_stun
        self._checked_address: Address | None = None
        self.dropped = 0
        """Datagrams dropped."""
        self.last_received_s = time.monotonic()
        """When the last datagram came from a checked address, on the monotonic clock."""
        for protocol in aiortc_compat.stun_protocols(gatherer):
            aiortc_compat.wrap_datagrams(protocol, partial(self._wrap, protocol.transport))

    def _wrap(self, transport: Any, deliver: DatagramHandler) -> DatagramHandler:
        def received(datagram: bytes, address: Address) -> None:
            source = address[0], address[1]
            if not self._forward(datagram, source, transport, deliver):
                self.dropped += 1

        return received

    def _forward(
        self, datagram: bytes, address: Address, transport: Any, deliver: DatagramHandler
    ) -> bool:
        if not 0 < len(datagram) <= LARGEST_BYTES:
            return False
        kind = datagram[0]
        checked = self._is_checked(address)
        if kind < 4:
            if len(datagram) < 20 or datagram[4:8] != _STUN_COOKIE:
                return False
            if not self._on_stun(datagram, address, transport):
                deliver(datagram, address)
            return True
        if not checked:
            return False
        if 128 <= kind < 192:
            self._on_srtcp(datagram)
            return True
        if 20 <= kind < 64 and aiortc_compat.queued_datagrams(self._gatherer) < DTLS_QUEUE:
            deliver(datagram, address)
            return True
        return False

    def _is_checked(self, address: Address) -> bool:
        if address != self._checked_address:
            if not aiortc_compat.is_checked(self._gatherer, address):
                return False
            self._checked_address = address
        self.last_received_s = time.monotonic()
        return True
