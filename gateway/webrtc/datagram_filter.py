"""Which datagrams may reach ICE, DTLS and us through an open UDP port, or from a TURN server.

aioice parses whatever comes from anywhere, raises on some of it, answers some of it, and gives the
rest to DTLS: a single empty datagram ends a live session, and its queue is unbounded. So each
datagram is filtered by its first byte (RFC 7983 §7) and then by what it is:

- STUN that is malformed is dropped. A check passes if it is signed with our password and names our
  ufrag, a response if it answers what we have asked (RFC 8445 §7, RFC 8489 §6.3).
- DTLS and SRTCP pass only from an address whose connectivity check is running or has succeeded.
- Of a TURN server passes what answers a request, and data for peers.

What has passed has a budget. All else is counted and dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCIceGatherer

from gateway.ports import Clock
from gateway.runtime.rate_limit import TokenBucket
from gateway.webrtc import aiortc_compat, stun
from gateway.webrtc.aiortc_compat import Address, DatagramHandler
from gateway.webrtc.inbound_drops import DropCause, InboundDrops

LARGEST_BYTES = 1_500
"""Larger datagrams are dropped: no viewer sends them."""

DTLS_BURST, DTLS_PER_S = 64, 4
"""DTLS datagrams of one viewer: a handshake takes about ten, each sent again a few times; after it
comes one alert."""

SRTCP_BURST, SRTCP_PER_S = 500, 500
"""SRTCP datagrams of one viewer. Browsers send one for each gap that they see, and a report a
second; 1,000 packets a second with every second one lost are 500."""

CHECKS_BURST, CHECKS_PER_S = 200, 50
"""Connectivity checks of one viewer. RFC 8445 §14.2 starts one each 50 ms, and each may be sent
again; once connected there is one every few seconds."""

CHECKED_ADDRESSES = 64
"""Addresses from which one viewer may check: aioice remembers each and checks back. A browser has
a handful; 60 are what it may name in its offer and later."""


class DatagramFilter:
    """Stands in front of every candidate of one viewer, from the moment its port is open.

    Args:
        gatherer: Gathers the candidates, within `aiortc_compat.filtered_by` this filter.
        on_srtcp: Called with each SRTP or SRTCP datagram of the viewer, still encrypted; returns
            why it has dropped it.
        on_stun: Called with each STUN message that has passed, its source and aioice's transport;
            returns whether it has handled it. If not, aioice gets it.
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
        self._drops = drops
        ufrag, pwd = aiortc_compat.local_credentials(gatherer)
        self._username_prefix = f"{ufrag}:".encode()
        self._key = stun.IntegrityKey(pwd.encode())
        self._checked_address: Address | None = None
        self._checking_addresses: set[Address] = set()
        self._checks_budget = TokenBucket(CHECKS_PER_S * 60, CHECKS_BURST, clock=clock)
        self._srtcp_budget = TokenBucket(SRTCP_PER_S * 60, SRTCP_BURST, clock=clock)
        self._dtls_budget = TokenBucket(DTLS_PER_S * 60, DTLS_BURST, clock=clock)
        self.last_received_s = time.monotonic()
        """When the last datagram came from a checked address, on the monotonic clock."""
        self.turn_granted_s: int | None = None
        """For how long the TURN server would have let us use it, which was too short; else None."""

    def on_datagram(
        self,
        protocol: aiortc_compat.StunProtocol,
        datagram: bytes,
        address: Address,
        deliver: DatagramHandler,
    ) -> None:
        """Give *datagram*, which came through *protocol*, to who it is for, or count why not.

        Args:
            protocol: aioice's, of one candidate.
            datagram: Of anybody.
            address: Its source, as far as one can know.
            deliver: Gives it to aioice.
        """
        cause = self._forward(protocol, datagram, address, deliver)
        if cause is not None:
            self._drops.count(cause, address[0])

    def on_turn_message(
        self,
        protocol: aiortc_compat.TurnProtocol,
        message: bytes,
        deliver: Callable[[bytes], None],
    ) -> None:
        """Give a *message* of *protocol*'s TURN server to aioice, or count that it is wrong."""
        if _is_turn_message_expected(protocol, message):
            deliver(message)
        else:
            self.on_turn_framing_lost(protocol)

    def on_turn_framing_lost(self, protocol: aiortc_compat.TurnProtocol) -> None:
        """Count that the TURN server of *protocol* has sent what cannot be read."""
        self._drops.count(DropCause.TURN, protocol.server[0])

    def on_turn_lifetime_refused(
        self, protocol: aiortc_compat.TurnProtocol, granted_s: int
    ) -> None:
        """Count that the TURN server of *protocol* grants *granted_s* seconds, which are no use."""
        self.turn_granted_s = granted_s
        self._drops.count(DropCause.TURN_LIFETIME, protocol.server[0])

    def _forward(
        self,
        protocol: aiortc_compat.StunProtocol,
        datagram: bytes,
        address: Address,
        deliver: DatagramHandler,
    ) -> DropCause | None:
        """Give *datagram* to who it is for; else return why not."""
        if not 0 < len(datagram) <= LARGEST_BYTES:
            return DropCause.SHAPE
        kind = datagram[0]
        if kind < 4:
            return self._forward_stun(protocol, datagram, address, deliver)
        if not (20 <= kind < 64 or 128 <= kind < 192):
            return DropCause.SHAPE
        if not self._is_checked(address):
            return DropCause.UNCHECKED
        if kind >= 128:
            if not self._srtcp_budget.try_acquire():
                return DropCause.SRTCP_BUDGET
            return self._on_srtcp(datagram)
        if not self._dtls_budget.try_acquire():
            return DropCause.DTLS_BUDGET
        deliver(datagram, address)
        return None

    def _forward_stun(
        self,
        protocol: aiortc_compat.StunProtocol,
        message: bytes,
        address: Address,
        deliver: DatagramHandler,
    ) -> DropCause | None:
        attributes = stun.parse_attributes(message)
        if attributes is None:
            return DropCause.STUN_SHAPE
        kind = int.from_bytes(message[:2], "big")
        if kind == stun.REQUEST:
            cause = self._admit_check(message, attributes, address)
            if cause is not None:
                return cause
        elif kind == stun.INDICATION:
            return None  # keeps a binding of a NAT alive (RFC 8445 §11); nobody wants to know
        elif kind not in (stun.SUCCESS, stun.ERROR):
            return DropCause.STUN_UNKNOWN
        self._is_checked(address)
        if self._on_stun(message, address, protocol.transport):
            return None
        if kind != stun.REQUEST and message[8:20] not in protocol.transactions:
            return DropCause.STUN_UNKNOWN
        deliver(message, address)
        return None

    def _admit_check(
        self, message: bytes, attributes: dict[int, bytes], address: Address
    ) -> DropCause | None:
        """Return why a check is not answered; None if it is."""
        if not attributes.get(stun.USERNAME, b"").startswith(self._username_prefix):
            return DropCause.STUN_UNKNOWN
        signed = stun.parse_verified(message, self._key)
        if signed is None or stun.USERNAME not in signed:
            return DropCause.STUN_UNKNOWN
        if stun.PRIORITY not in signed or stun.FINGERPRINT not in attributes:
            return DropCause.STUN_SHAPE  # RFC 8445 §7.1: a check has both
        if not self._checks_budget.try_acquire():
            return DropCause.STUN_BUDGET
        if address not in self._checking_addresses:
            if len(self._checking_addresses) >= CHECKED_ADDRESSES:
                return DropCause.STUN_BUDGET
            self._checking_addresses.add(address)
        return None

    def _is_checked(self, address: Address) -> bool:
        if address != self._checked_address:
            if not aiortc_compat.is_checked(self._gatherer, address):
                return False
            self._checked_address = address
        self.last_received_s = time.monotonic()
        return True


def _is_turn_message_expected(protocol: aiortc_compat.TurnProtocol, message: bytes) -> bool:
    if len(message) < 4:
        return False
    if message[0] & 0xC0 == 0x40:  # ChannelData (RFC 8656 §12.4)
        channel, size = int.from_bytes(message[:2], "big"), int.from_bytes(message[2:4], "big")
        return channel in protocol.channel_to_peer and 4 + size <= len(message)
    if stun.parse_attributes(message) is None:
        return False
    kind = int.from_bytes(message[:2], "big")
    if kind & stun.RESPONSE_CLASS:
        return message[8:20] in protocol.transactions
    return kind == stun.DATA_INDICATION
