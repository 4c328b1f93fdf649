"""One viewer's session, from the accepted offer to the last packet."""

from __future__ import annotations

import asyncio
import secrets
import time

import structlog
from aiortc import RTCIceCandidate, RTCIceServer

from gateway.model.errors import ViewerRejected
from gateway.model.signalling import SessionKey
from gateway.rtp.rtcp import sender_report
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from gateway.webrtc.codec_selection import NegotiatedMedia
from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.rtcp_feedback import RtcpFeedback
from gateway.webrtc.rtp_sender import RtpSender
from gateway.webrtc.sdp_answer import answer_sdp
from gateway.webrtc.sdp_offer import ViewerOffer
from gateway.webrtc.ticker import Ticker
from gateway.webrtc.transport import PeerTransport

SETUP_S = 15.0
"""From the answer to the first packet; a viewer who takes longer is let go."""

SILENCE_S = 10.0
"""A viewer reports about once a second; after this long without a word it is gone."""

RENEWED_WINDOW, REPEATED_WINDOW = 64, 1024
"""How far back packets may be protected again: not at all where retransmissions have numbers of
their own (RTX), and as far as `gateway.webrtc.retransmit_buffer` goes where they have not."""

REPORT_BEATS = 5
"""Beats (seconds) between two sender reports, the first at once (RFC 3550 §6.2: 5 s); they tie RTP
time to wall time, and the two drift by less than a millisecond meanwhile."""


log = structlog.get_logger(__name__)


class Session:
    """Carries one stream to one viewer.

    Args:
        key: Whose session.
        stream: What is watched.
        agreed: How.
        servers: STUN and TURN servers for this session.
        relay_only: Whether only TURN candidates may be used.
        ticker: Says when to look at the viewer and to report to it.
    """

    def __init__(
        self,
        key: SessionKey,
        stream: Stream,
        agreed: NegotiatedMedia,
        *,
        servers: list[RTCIceServer],
        relay_only: bool,
        ticker: Ticker,
    ) -> None:
        self.key = key
        self.stream = stream
        self._agreed = agreed
        self._ticker = ticker
        self._association = PeerTransport(
            servers,
            relay_only=relay_only,
            window=RENEWED_WINDOW if agreed.codec.rtx_payload_type else REPEATED_WINDOW,
            rtcp=self._received,
            over=lambda: self.leave("closed"),
        )
        self._numbers = RtpParameters(
            payload_type=agreed.codec.payload_type,
            ssrc=secrets.randbits(31),
            rtx_payload_type=agreed.codec.rtx_payload_type,
            rtx_ssrc=secrets.randbits(31) | 1 << 31,
        )
        self._feedback: RtcpFeedback | None = None
        self._sender: RtpSender | None = None
        # Keeps the camera open, or opens it, while ICE and DTLS are still at it.
        self._interest = Reader(lambda _unit: True)
        self._why = ""
        self._until_s = float("inf")
        self._leaving = asyncio.Event()
        self._report_in = 0

    @property
    def serving(self) -> bool:
        """Whether the viewer is connected."""
        return self._sender is not None

    @property
    def sent_bytes(self) -> int:
        """Payload bytes sent so far."""
        return 0 if self._sender is None else self._sender.octets

    @property
    def relayed(self) -> bool:
        """Whether the packets go through a TURN server."""
        return self._sender is not None and self._sender.path.relayed

    async def open(self) -> str:
        """Open our side and return the answer.

        Raises:
            ViewerRejected: 503, when no candidate could be had.
        """
        self.stream.attach(self._interest)
        local = await self._association.gather()
        return answer_sdp(self._agreed.offer, self._agreed.codec, self._numbers, local)

    async def run(self) -> str:
        """Connect and serve the viewer to the end. Everything is let go when this returns.

        Returns:
            Why it ended: ``setup`` (never came up), ``silence``, ``closed`` (by the viewer or by
            ICE), or what `leave` was given.
        """
        try:
            if await self._connected():
                await self._serve()
            return self._why
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of everything; for a session that has been opened and will not run."""
        self.stream.detach(self._interest)
        await self._association.close()

    def leave(self, why: str) -> None:
        """End the session; *why* is what `run` returns. The first call counts."""
        self._why = self._why or why
        self._leaving.set()

    def last(self, seconds: float) -> None:
        """End the session by itself *seconds* from now, in place of what was said before."""
        self._until_s = time.monotonic() + seconds

    async def add_candidates(self, candidates: tuple[RTCIceCandidate, ...]) -> None:
        """Check more addresses of the viewer."""
        for candidate in candidates:
            await self._association.add_candidate(candidate)

    async def _connected(self) -> bool:
        offer = self._agreed.offer
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(self._connect(offer), name=f"connect:{self.key}")
            leaving = group.create_task(self._leaving.wait(), name=f"leaving:{self.key}")
            await asyncio.wait((connecting, leaving), return_when=asyncio.FIRST_COMPLETED)
            connecting.cancel()
            leaving.cancel()
        return not self._leaving.is_set()

    async def _connect(self, offer: ViewerOffer) -> None:
        try:
            async with asyncio.timeout(SETUP_S):
                await self._association.connect(
                    ufrag=offer.ufrag,
                    pwd=offer.pwd,
                    sha_256=offer.sha_256,
                    candidates=self._agreed.candidates,
                )
        except (TimeoutError, ViewerRejected) as error:
            log.info("set-up failed", session=str(self.key), error=str(error) or "timeout")
            self.leave("setup")

    async def _serve(self) -> None:
        path = self._association.path()
        if path is None:
            self.leave("closed")
            return
        sender = RtpSender(
            self._numbers,
            srtp=self._association.srtp(),
            path=path,
            pace_bps=self._agreed.pace_bps,
            ready=lambda: reader.resume(),
            sync=self.stream.sync,
        )
        self._sender = sender
        reader = Reader(sender.take, sender)
        self._feedback = RtcpFeedback(
            sender, keyframe=lambda: self.stream.replay(reader, sender.last_90k)
        )
        self.stream.attach(reader)
        self.stream.detach(self._interest)
        try:
            with self._ticker.calling(self._look):
                await self._leaving.wait()
        finally:
            self.stream.detach(reader)
            sender.close()
            sender.path.close()

    def _look(self) -> None:
        """What there is to do every second."""
        assert self._sender is not None
        try:
            self._follow(self._sender)
            self._report(self._sender)
        except OSError as error:  # no descriptor left for a new path: others go on over theirs
            log.warning("session broken", session=str(self.key), error=str(error))
            self.leave("closed")
        self._listen()

    def _follow(self, sender: RtpSender) -> None:
        """Go on over the pair that ICE has nominated last."""
        path = self._association.path(sender.path)
        if path is None or not self._association.consented(sender.path):
            self.leave("closed")
        elif path is not sender.path:
            left = sender.path
            sender.path = path  # the fast path may be sending: not through a closed one
            left.close()

    def _report(self, sender: RtpSender) -> None:
        self._report_in -= 1
        if self._report_in > 0:
            return
        report = sender.report(time.monotonic(), time.time())
        if report is not None:
            self._report_in = REPORT_BEATS
            datagram = sender_report(self._numbers.ssrc, *report, cname="camera")
            with sender.srtp_lock:
                protected = self._association.srtp().protect_rtcp(datagram)
            sender.path.send(protected)

    def _listen(self) -> None:
        assert self._feedback is not None
        now_s = time.monotonic()
        heard_s = max(self._feedback.heard_s, self._association.heard_s)
        if now_s - heard_s > SILENCE_S:
            self.leave("silence")
        elif now_s > self._until_s:
            self.leave("expired")

    def _received(self, datagram: bytes) -> None:
        if self._feedback is not None:
            self._feedback.received(datagram)
