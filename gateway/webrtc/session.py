"""One viewer's session, from the accepted offer to the last packet."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import structlog
from aiortc import RTCIceServer

from gateway.model.errors import ViewerRejected
from gateway.model.quality import ViewLevel
from gateway.model.signalling import Answer, Offer, SessionKey, SessionStats
from gateway.model.viewing import ViewingPermit
from gateway.rtp.rtcp import sender_report
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import SystemClock
from gateway.runtime.lateness import time_limit
from gateway.streams.stream import Stream
from gateway.webrtc.codec_selection import NegotiatedMedia
from gateway.webrtc.inbound_drops import DropCause, InboundDrops
from gateway.webrtc.level_control import LevelControl
from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.remote_candidates import RemoteCandidates
from gateway.webrtc.rtcp_feedback import RtcpFeedback
from gateway.webrtc.rtp_sender import RtpSender
from gateway.webrtc.sdp_answer import answer_sdp
from gateway.webrtc.session_stats import SessionMeter
from gateway.webrtc.session_timeouts import SessionTimeouts
from gateway.webrtc.ticker import Ticker
from gateway.webrtc.transport import PeerTransport

SETUP_S = 15.0
"""From the answer to the first packet; a viewer who takes longer is let go."""

SRTP_WINDOW_RTX, SRTP_WINDOW_PLAIN = 64, 1024
"""How many packets back one may be encrypted again under its number. With RTX (RFC 4588) never:
a retransmission has a number of its own, and libsrtp's least is 64. Without it as far back as
`gateway.webrtc.retransmit_buffer` may reach."""

REPORT_TICKS = 5
"""Ticks (seconds) between two sender reports, the first at once (RFC 3550 §6.2: 5 s). They tie RTP
time to wall time; the two drift by less than a millisecond in between."""

log = structlog.get_logger(__name__)


class Session:
    """Carries one stream to one viewer: opened, answered, run, and closed at the end of `run`.

    Args:
        offer: What it answers.
        streams: What is watched, best first: the first one, as long as the line carries it.
        media: How it is sent.
        candidates: The viewer's, those of the offer among them.
        ice_servers: STUN and TURN servers for this session.
        relay_only: Whether only TURN candidates may be used.
        has_place: Asked when the viewer is connected; False: the session ends as ``full``.
        ticker: Calls once a second while the viewer is connected.
        drops: Counts what is dropped of what comes from the viewer, or to its port.
        on_stats: Called with how it fares: now and then, and when another level is sent.

    Attributes:
        answer: Set by `open`.
        permit: Who watches, what for, and for how long at most; set by `grant`.
    """

    def __init__(
        self,
        offer: Offer,
        streams: Mapping[ViewLevel, Stream],
        media: NegotiatedMedia,
        *,
        candidates: RemoteCandidates,
        ice_servers: list[RTCIceServer],
        relay_only: bool,
        has_place: Callable[[], bool],
        ticker: Ticker,
        drops: InboundDrops,
        on_stats: Callable[[SessionStats], None],
    ) -> None:
        self.offer = offer
        self.answer = Answer(offer.key, "")
        self.permit = ViewingPermit()
        self._streams = streams
        self._stream = next(iter(streams.values()))
        self._media = media
        self._candidates = candidates
        self._has_place = has_place
        self._ticker = ticker
        self._drops = drops
        self._on_stats = on_stats
        self._meter: SessionMeter | None = None
        self._transport = PeerTransport(
            ice_servers,
            relay_only=relay_only,
            srtp_window=(
                SRTP_WINDOW_RTX
                if all(each.rtx_payload_type for each in media.codecs)
                else SRTP_WINDOW_PLAIN
            ),
            on_rtcp=self._on_rtcp,
            on_closed=self.end,
            drops=drops,
        )
        self._rtp_parameters = RtpParameters(
            payload_type=media.codec.payload_type,
            ssrc=secrets.randbits(31),
            rtx_payload_type=media.codec.rtx_payload_type,
            rtx_ssrc=secrets.randbits(31) | 1 << 31,
            playout_delay_id=media.offer.playout_delay_id,
        )
        self._other_parameters = {
            each.name: replace(
                self._rtp_parameters,
                payload_type=each.payload_type,
                rtx_payload_type=each.rtx_payload_type,
            )
            for each in media.others
        }
        self._feedback: RtcpFeedback | None = None
        self._sender: RtpSender | None = None
        self._control: LevelControl | None = None
        self._end_reason = ""
        self._timeouts = SessionTimeouts(SystemClock())
        self._inbound_overflows = 0
        self._ending = asyncio.Event()
        self._ticks_to_report = 0

    @property
    def key(self) -> SessionKey:
        """Whose session."""
        return self.offer.key

    @property
    def serving(self) -> bool:
        """Whether the viewer is connected."""
        return self._sender is not None

    @property
    def connecting(self) -> bool:
        """Whether the viewer is neither connected yet nor given up."""
        return self._sender is None and not self._ending.is_set()

    @property
    def sent_bytes(self) -> int:
        """Payload bytes sent so far."""
        return 0 if self._sender is None else self._sender.octets

    @property
    def over_turn(self) -> bool:
        """Whether the packets go through a TURN server."""
        return self._sender is not None and self._sender.path.over_turn

    async def open(self) -> Answer:
        """Gather our candidates and return the answer.

        Raises:
            ViewerRejected: 503, when no candidate could be had.
        """
        self._stream.hold(self)  # opens the camera, and keeps it open, while ICE and DTLS connect
        local = await self._transport.gather()
        media = self._media
        sdp = answer_sdp(media.offer, media.codec, self._rtp_parameters, local, media.others)
        self.answer = Answer(self.key, sdp)
        return self.answer

    async def run(self) -> str:
        """Connect and serve the viewer to the end. Everything is let go when this returns.

        Returns:
            Why it ended: ``setup`` (never connected), ``silence``, ``expired``, ``viewing_time``
            (all that the permit allows), ``full`` (others were connected first), ``closed`` (by the
            viewer or by ICE), ``turn_lifetime`` (the TURN server lets us use it no longer), or what
            `end` was given.
        """
        try:
            if await self._wait_connected():
                await self._serve()
            return self._end_reason
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of everything; for a session that has been opened and will not run."""
        self._stream.release(self)
        await self._transport.close()

    def end(self, why: str) -> None:
        """End the session; *why* is what `run` returns. The first call counts."""
        self._end_reason = self._end_reason or why
        self._ending.set()

    def expire_in(self, seconds: float) -> None:
        """End the session *seconds* from now; replaces what was set before."""
        self._timeouts.expire_in(seconds)

    def grant(self, permit: ViewingPermit) -> None:
        """Let the viewing last as long as *permit* allows from now; replaces the one before."""
        self.permit = permit
        self._timeouts.limit_viewing(permit.max_s)

    async def add_candidates(self, lines: Iterable[str]) -> None:
        """Check more addresses of the viewer, as far as there is room."""
        self._candidates.add(lines)
        for candidate in self._candidates.pop():
            await self._transport.add_candidate(candidate)

    async def _wait_connected(self) -> bool:
        """Return whether the viewer is connected; False if the session has been ended first."""
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(self._connect(), name=f"connect:{self.key}")
            ending = group.create_task(self._ending.wait(), name=f"ending:{self.key}")
            await asyncio.wait((connecting, ending), return_when=asyncio.FIRST_COMPLETED)
            connecting.cancel()
            ending.cancel()
        return not self._ending.is_set()

    async def _connect(self) -> None:
        offer = self._media.offer
        try:
            async with time_limit(SETUP_S):
                await self._transport.connect(
                    ufrag=offer.ufrag,
                    pwd=offer.pwd,
                    sha_256=offer.sha_256,
                    candidates=self._candidates.pop(),
                )
        except (TimeoutError, ViewerRejected) as error:
            log.info("session_setup_failed", session=str(self.key), error=str(error) or "timeout")
            self.end("setup")

    async def _serve(self) -> None:
        try:
            path = self._transport.nominated_path()
        except OSError as error:  # no descriptor is left
            log.warning("session_path_failed", session=str(self.key), error=str(error))
            path = None
        if path is None:
            self.end("closed")
            return
        if not self._has_place():
            path.close()
            self.end("full")
            return
        sender = RtpSender(
            self._rtp_parameters,
            by_codec={self._media.codec.name: self._rtp_parameters, **self._other_parameters},
            srtp=self._transport.outbound_srtp(),
            path=path,
            pace_bps=self._media.pace_bps,
            on_ready=lambda: control.resume(),
            sync=lambda: control.sync(),
            on_bug=self._on_bug,
        )
        self._sender = sender
        self._control = control = LevelControl(
            sender,
            self._streams,
            self._rtp_parameters,
            fitting=lambda stream: self._media.takes(stream.video),
            refused=self._media.refused,
            round_trip_s=lambda: feedback.round_trip_s,
            slates=self._media.slates,
            on_level=self._tell_stats,
            on_bug=self._on_bug,
        )
        self._feedback = feedback = RtcpFeedback(
            sender,
            on_keyframe_request=control.on_keyframe_request,
            on_report=control.on_report,
            on_remb=control.on_remb,
            on_refused=lambda: self._drops.count(DropCause.FEEDBACK_BUDGET, str(self.key)),
            clock=SystemClock(),
        )
        self._meter = SessionMeter(
            self.key,
            sender=sender,
            levels=control,
            feedback=self._feedback,
            why=self._media.why,
            clock=SystemClock(),
        )
        control.start()
        if self._media.why is not None:
            self._tell_stats()
        self._stream.release(self)
        self._timeouts.begin()
        try:
            with self._ticker.subscribe(self._on_tick):
                await self._ending.wait()
        finally:
            control.close()
            sender.close()
            sender.path.close()

    @property
    def narrow(self) -> bool:
        """Whether the viewer is sent less than it could have, because of its line."""
        return self.serving and self._control is not None and self._control.narrow

    @property
    def on_slate(self) -> bool:
        """Whether the viewer is shown a slate in place of its camera."""
        return self.serving and self._control is not None and self._control.slate is not None

    @property
    def received(self) -> bool:
        """Whether the viewer has reported that pictures of the camera have reached it."""
        return self._control is not None and self._control.received

    def _tell_stats(self) -> None:
        if self._meter is not None:
            self._on_stats(self._meter.read())

    def _on_bug(self, error: Exception) -> None:
        """End the session: *error* was not expected."""
        report_bug("session", error, str(self.key))
        self.end("error")

    def _on_tick(self) -> None:
        """What is due every second."""
        assert self._sender is not None
        try:
            self._update_path(self._sender)
            self._send_report(self._sender)
            if self._control is not None:
                self._control.on_tick()
            stats = self._meter.tick() if self._meter is not None else None
            if stats is not None:
                self._on_stats(stats)
        except OSError as error:  # no descriptor is left for a new path; other sessions keep theirs
            log.warning("session_path_failed", session=str(self.key), error=str(error))
            self.end("closed")
        except Exception as error:  # ends this session; the ticker goes on with the next
            self._on_bug(error)
        self._check_timeouts()

    def _update_path(self, sender: RtpSender) -> None:
        """Use the pair that ICE has nominated last, while the viewer consents."""
        path = self._transport.nominated_path(sender.path)
        if path is None or not self._transport.tick_consent(sender.path):
            self.end("closed")
        elif path is not sender.path:
            old = sender.path
            sender.path = path  # before the old one is closed: the fast path may be sending
            old.close()

    def _send_report(self, sender: RtpSender) -> None:
        self._ticks_to_report -= 1
        if self._ticks_to_report > 0:
            return
        info = sender.sender_info(time.monotonic(), time.time())
        if info is not None:
            self._ticks_to_report = REPORT_TICKS
            datagram = sender_report(self._rtp_parameters.ssrc, *info, cname="camera")
            with sender.srtp_lock:
                protected = self._transport.outbound_srtp().protect_rtcp(datagram)
            sender.path.send(protected)

    def _check_timeouts(self) -> None:
        assert self._feedback is not None
        assert self._sender is not None
        received_s = max(self._feedback.last_received_s, self._transport.last_received_s)
        overflows = self._sender.path.inbound_overflows()
        over = self._timeouts.check(received_s, dropped=overflows != self._inbound_overflows)
        self._inbound_overflows = overflows
        if over:
            self.end(over)

    def _on_rtcp(self, datagram: bytes) -> None:
        if self._feedback is None:
            return
        try:
            self._feedback.on_rtcp(datagram)
        except Exception as error:  # ends this session only
            self._on_bug(error)
