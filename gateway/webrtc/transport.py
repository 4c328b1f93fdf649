"""ICE and DTLS with one viewer, by aiortc; the media packets are ours.

Opened in two steps, as offer and answer need it: `gather` returns what stands in the answer,
`connect` returns when packets can be sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pylibsrtp
from aiortc import (
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceServer,
    RTCIceTransport,
    RTCIceTransportPolicy,
)

from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.runtime.clock import SystemClock
from gateway.runtime.descriptors import is_exhausted
from gateway.webrtc import aiortc_compat
from gateway.webrtc.aiortc_compat import Address
from gateway.webrtc.consent import Consent
from gateway.webrtc.datagram_filter import DatagramFilter
from gateway.webrtc.ice_candidates import candidate_line
from gateway.webrtc.inbound_drops import DropCause, InboundDrops
from gateway.webrtc.sdp_answer import LocalTransport
from gateway.webrtc.udp_path import UdpPath

SERVERS_S = 1.5
"""How long STUN and TURN servers may take to answer while there are host candidates: the answer
waits for them. A relayed candidate takes five round trips over TLS, two over UDP, and a lost
request of STUN is sent again after 0.5 s."""

RELAY_S = 5.0
"""How long where nothing else is allowed."""

GATHER_S = 6.0
"""How long gathering may take in all."""


class PeerTransport:
    """The ICE and DTLS transport of one viewer.

    Args:
        ice_servers: For this session; empty for none.
        relay_only: Whether only TURN candidates may be used.
        srtp_window: How many packets back one may be encrypted again under its number.
        on_rtcp: Called with each decrypted RTCP datagram of the viewer.
        on_closed: Called with why when no more can be sent: ``closed`` by the viewer or by ICE, or
            ``turn_lifetime``, when the TURN server lets us use it no longer.
        drops: Counts the datagrams that are dropped.
    """

    def __init__(
        self,
        ice_servers: list[RTCIceServer],
        *,
        relay_only: bool,
        srtp_window: int,
        on_rtcp: Callable[[bytes], None],
        on_closed: Callable[[str], None],
        drops: InboundDrops,
    ) -> None:
        policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
        self._relay_only, self._window = relay_only, srtp_window
        self._gatherer = RTCIceGatherer(iceServers=ice_servers, iceTransportPolicy=policy)
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = RTCDtlsTransport(self._ice, [aiortc_compat.Certificate.generateCertificate()])
        aiortc_compat.act_as_dtls_server(self._dtls)
        aiortc_compat.disable_consent_checks(self._ice)
        self._consent: Consent | None = None
        self._on_rtcp = on_rtcp
        self._inbound: pylibsrtp.Session | None = None
        self._outbound: aiortc_compat.InPlaceSrtp | None = None
        self._on_closed = on_closed
        self._filter = DatagramFilter(
            self._gatherer, self._on_srtcp, self._on_stun, drops=drops, clock=SystemClock()
        )
        self._ice.on("statechange", self._on_state_change)
        self._dtls.on("statechange", self._on_state_change)

    @property
    def last_received_s(self) -> float:
        """When the last datagram came from the viewer's address, on the monotonic clock."""
        return self._filter.last_received_s

    async def gather(self) -> LocalTransport:
        """Gather our candidates; return our side of the answer.

        Raises:
            ViewerRejected: 503, when no candidate could be had in time.
        """
        try:
            async with asyncio.timeout(GATHER_S):
                with aiortc_compat.filtered_by(self._filter):
                    servers_s = RELAY_S if self._relay_only else SERVERS_S
                    aiortc_compat.limit_gathering(self._gatherer, servers_s)
                    await self._gatherer.gather()
        except (TimeoutError, OSError) as error:
            reason = Reason.DESCRIPTORS_LOW if is_exhausted() else Reason.TURN_DOWN
            raise ViewerRejected(503, reason, f"gathering failed: {error}") from error
        candidates = self._gatherer.getLocalCandidates()
        if not candidates:
            raise self._no_candidates()
        ufrag, pwd = aiortc_compat.local_credentials(self._gatherer)
        fingerprint = next(
            f for f in self._dtls.getLocalParameters().fingerprints if f.algorithm == "sha-256"
        )
        return LocalTransport(
            ufrag=ufrag,
            pwd=pwd,
            sha_256=fingerprint.value,
            candidates=tuple(map(candidate_line, candidates)),
        )

    def _no_candidates(self) -> ViewerRejected:
        if is_exhausted():  # aioice does not say why it could open no port
            return ViewerRejected(503, Reason.DESCRIPTORS_LOW, "no port can be opened")
        detail = "this gateway has no address to be reached at"
        if not self._relay_only:
            return ViewerRejected(503, Reason.UPLINK_DOWN, detail)
        granted_s = self._filter.turn_granted_s
        if granted_s is not None:
            detail = f"the TURN server can be used for {granted_s} s only"
        return ViewerRejected(503, Reason.TURN_DOWN, detail)

    async def connect(
        self, *, ufrag: str, pwd: str, sha_256: str, candidates: tuple[RTCIceCandidate, ...]
    ) -> None:
        """Return when the viewer's certificate is verified and media can be sent.

        Has no time limit of its own: the caller sets one.

        Raises:
            ViewerRejected: 408, when ICE or DTLS fails.
        """
        for candidate in candidates:
            await self.add_candidate(candidate)
        await self._ice.start(RTCIceParameters(usernameFragment=ufrag, password=pwd))
        if self._ice.state != "completed":
            raise ViewerRejected(408, Reason.TIMEOUT, "no path to the viewer (ICE failed)")
        self._consent = Consent(self._ice, SystemClock())
        fingerprint = RTCDtlsFingerprint(algorithm="sha-256", value=sha_256)
        await self._dtls.start(RTCDtlsParameters(fingerprints=[fingerprint]))
        if self._dtls.state != "connected":
            raise ViewerRejected(408, Reason.OFFER_INVALID, "the viewer's DTLS handshake failed")
        outbound = aiortc_compat.outbound_srtp(self._dtls, window=self._window)
        self._outbound, self._inbound = (
            aiortc_compat.InPlaceSrtp(outbound),
            aiortc_compat.inbound_srtp(self._dtls),
        )

    async def add_candidate(self, candidate: RTCIceCandidate) -> None:
        """Check one more address of the viewer."""
        candidate.sdpMid = "0"
        await self._ice.addRemoteCandidate(candidate)

    def tick_consent(self, path: UdpPath) -> bool:
        """Return whether the viewer still consents to be sent to over *path*; once a second."""
        return self._consent is not None and self._consent.tick(path)

    def nominated_path(self, current: UdpPath | None = None) -> UdpPath | None:
        """Return the path of the nominated pair: *current* itself while it is the one.

        None once ICE is closed. Who gets a new path closes the old one.
        """
        nominated = aiortc_compat.nominated_pair(self._ice)
        if nominated is None:
            return None
        transport, address = nominated
        if current is not None and (current.transport, current.address) == (transport, address):
            return current
        return UdpPath(transport, address)

    def outbound_srtp(self) -> aiortc_compat.InPlaceSrtp:
        """Return the outbound SRTP session; always the same."""
        assert self._outbound is not None
        return self._outbound

    async def close(self) -> None:
        """Send DTLS close_notify and close every socket."""
        await self._dtls.stop()
        await self._ice.stop()
        # aiortc cancels its reading task without waiting for it.
        await asyncio.sleep(0)

    def _on_state_change(self) -> None:
        if self._ice.state in ("failed", "closed") or self._dtls.state in ("failed", "closed"):
            pair = aiortc_compat.nominated_pair(self._ice)
            over_turn = pair is not None and pair[0].get_extra_info("socket") is None
            lost = over_turn and self._filter.turn_granted_s is not None
            self._on_closed("turn_lifetime" if lost else "closed")

    def _on_stun(self, message: bytes, address: Address, transport: Any) -> bool:
        return self._consent is not None and self._consent.handle_stun(message, address, transport)

    def _on_srtcp(self, datagram: bytes) -> DropCause | None:
        # RFC 5761: RTCP packet types 192 to 223 in the second byte. A viewer sends no media.
        if self._inbound is None or len(datagram) < 8 or not 192 <= datagram[1] <= 223:
            return DropCause.SHAPE
        try:
            plain = self._inbound.unprotect_rtcp(datagram)
        except (pylibsrtp.Error, ValueError):
            return DropCause.SRTCP_AUTHENTICATION
        self._on_rtcp(plain)
        return None
