"""An RTSP client in small steps: connect, OPTIONS, DESCRIBE, SETUP, PLAY, monitor, TEARDOWN.

    async with RtspClient(target, account=account, clock=clock) as client:
        await client.connect()
        await client.options()
        description = await client.describe()
        await client.setup(description)
        await client.play(on_rtp)
        await client.monitor(stall_s=5.0)

Leaving the block, however it is left, tells the camera (bounded to `LEAVE_S`) and closes
everything. Redirects are never followed. References: RFC 2326.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Literal, NoReturn, Self

import structlog

from gateway.model.errors import (
    CodecUnsupported,
    GatewayError,
    SourceRefused,
    SourceStalled,
)
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.budget import RTCP_PACKETS, CameraBudget
from gateway.rtsp.connection import ANSWER_S, PacketHandler, RtspConnection, connect, ignore
from gateway.rtsp.errors import error_of_status
from gateway.rtsp.headers import (
    DEFAULT_TIMEOUT_S,
    Session,
    interleaved_transport,
    parse_session,
    parse_transport,
    udp_transport,
)
from gateway.rtsp.login import Account
from gateway.rtsp.messages import Response
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.requests import RtspRequests, ServerCapabilities
from gateway.rtsp.sdp import Description, parse_description
from gateway.rtsp.session_monitor import KeepAlive, SessionMonitor
from gateway.rtsp.udp import UdpPair, open_pair
from gateway.runtime.plain_text import printable
from gateway.runtime.url_policy import Target

LEAVE_S = 1.0

_PERHAPS_TRANSPORT = frozenset({406, 500, 501})
"""What cameras without interleaved RTP answer to SETUP besides 461, among other things."""

log = structlog.get_logger(__name__)


class RtspClient:
    """One connection to one camera; steps in the order of the module's example.

    Every step raises what `gateway.ports.Source.run` may raise, within *answer_s* per request.

    Attributes:
        budget: What the camera may cost until this client is closed.
        receiver_stats: Statistics of the stream, for receiver reports.
        connection: None until connected.
        udp: None unless the stream comes over UDP.
    """

    def __init__(
        self,
        target: Target,
        *,
        account: Account,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._target, self._account, self._clock = target, account, clock
        self._tls, self._answer_s = tls, answer_s
        self._resources = ExitStack()
        self._requests: RtspRequests | None = None
        self._session: Session | None = None
        self._aggregate_url = target.url
        self._methods: frozenset[str] = frozenset()
        self._rtcp_channel = 1
        self._payload_type = -1
        self._on_rtp: PacketHandler = ignore
        self.budget = CameraBudget(clock)
        self.receiver_stats = ReceiverStats()
        self.connection: RtspConnection | None = None
        self.udp: UdpPair | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._on_rtp = ignore
        try:
            await self.teardown()
        finally:
            self._resources.close()
            if self.connection is not None:
                await self.connection.abort()

    @property
    def challenged(self) -> bool:
        """Whether the camera has asked for the login."""
        return self._requests is not None and self._requests.challenged

    async def connect(self) -> None:
        self.connection = await connect(self._target, self._tls, self.budget)
        self._requests = RtspRequests(
            self.connection, self._account, self._answer_s, self._note_date
        )

    async def options(self) -> ServerCapabilities:
        """Return what the camera can do; one that does not know OPTIONS is not refused for it."""
        requests = self._require_requests()
        response = await requests.request("OPTIONS", self._target.url, {})
        if 300 <= response.status < 400 or response.status in (403, 453, 503):
            raise error_of_status("OPTIONS", response)
        words = response.headers.get("public").upper().split(",")
        self._methods = frozenset(word.strip() for word in words if word.strip())
        return ServerCapabilities(
            self._methods, printable(response.headers.get("server")[:100]), requests.challenged
        )

    async def describe(self) -> Description:
        """Return what the camera sends: the first video that we can pass."""
        response = await self._require_requests().request_ok(
            "DESCRIBE", self._target.url, {"Accept": "application/sdp"}
        )
        headers = response.headers
        base = headers.get("content-base") or headers.get("content-location") or self._target.url
        return parse_description(response.body, base=base, target=self._target)

    async def setup(
        self, description: Description, transport: Literal["auto", "tcp", "udp"] = "auto"
    ) -> Session:
        """Open a session. ``auto``: interleaved (RFC 2326 §10.12), or UDP where that is refused.

        Where it is refused without saying why, UDP is tried, and its failure is not the cause.
        """
        self._aggregate_url = description.aggregate_url
        self._payload_type = description.payload_type
        if transport == "udp":
            return await self._setup_udp(description)
        try:
            return await self._setup_tcp(description)
        except _RefusedUnclearly as refused:
            if transport == "tcp" or description.secured:
                raise refused.error from None
            with suppress(GatewayError):
                return await self._setup_udp(description)
            raise refused.error from None
        except SourceRefused as error:
            if error.reason is not Reason.UNSUPPORTED_TRANSPORT:
                raise
            if description.secured:
                raise _encrypted(error.detail) from error
            if transport == "tcp":
                raise
            log.info("interleaved_refused", host=self._target.host)
            await self.teardown()
            return await self._setup_udp(description)

    async def play(self, on_rtp: PacketHandler) -> None:
        """Start the stream; *on_rtp* is called with each read's RTP packets from now on.

        What *on_rtp* raises ends the connection and is raised by `monitor`.
        """
        session = self._require_session()
        self._on_rtp = on_rtp
        self.receiver_stats.last_rtp_s = self._clock.now()
        carrier = self.udp if self.udp is not None else self.connection
        assert carrier is not None
        carrier.on_rtp, carrier.on_rtcp = self._handle_rtp, self._handle_rtcp
        response = await self._require_requests().request_ok(
            "PLAY", self._aggregate_url, {**session.fields, "Range": "npt=0.000-"}
        )
        if not session.id:
            self._session = _session_of(response, session.transport)

    async def monitor(
        self,
        *,
        stall_s: float,
        last_unit_s: Callable[[], float] | None = None,
        sync: Callable[[], None] = lambda: None,
        keep_alive: KeepAlive | None = None,
    ) -> NoReturn:
        """Keep the session alive until it breaks.

        Args:
            stall_s: How long nothing may come.
            last_unit_s: Returns when the last access unit came; None: only RTP is watched.
            sync: Called before *last_unit_s* and `receiver_stats` are read.
            keep_alive: What sessions before have told of the camera; None: nothing.

        Raises:
            GatewayError: No RTP or no picture for *stall_s*, or the camera has ended the session.
        """
        assert self.connection is not None
        session_monitor = SessionMonitor(
            requests=self._require_requests(),
            connection=self.connection,
            session=self._require_session(),
            url=self._aggregate_url,
            methods=self._methods,
            receiver_stats=self.receiver_stats,
            send_rtcp=self._send_rtcp,
            clock=self._clock,
            last_unit_s=last_unit_s,
            sync=sync,
            keep_alive=keep_alive or KeepAlive(),
        )
        try:
            await session_monitor.run(stall_s)
        except SourceStalled as error:
            stranger = "" if self.udp is None else self.udp.stranger
            if error.reason is not Reason.STALLED or not stranger:
                raise
            detail = f"{error.detail}; {stranger} sends to our port instead"
            raise SourceStalled(error.reason, detail) from error

    async def teardown(self) -> None:
        """End the session, if there is one, whether the camera answers or not. Never raises."""
        session, self._session = self._session, None
        if session is None or self.connection is None or not self.connection.usable:
            return
        try:
            await self._require_requests().request(
                "TEARDOWN", self._aggregate_url, session.fields, timeout_s=LEAVE_S
            )
        except GatewayError as error:
            log.info("teardown_unanswered", host=self._target.host, reason=error.reason)

    async def _setup_tcp(self, description: Description) -> Session:
        assert self.connection is not None
        response = await self._require_requests().request(
            "SETUP", description.control_url, {"Transport": interleaved_transport(0)}
        )
        if not 200 <= response.status < 300:
            error = error_of_status("SETUP", response)
            raise _RefusedUnclearly(error) if response.status in _PERHAPS_TRANSPORT else error
        self._session = _session_of(response, "tcp")
        transport = parse_transport(response.headers.get("transport"))
        if "SAVP" in transport.profile:
            raise _encrypted(f"asked for RTP/AVP/TCP, answered {printable(transport.profile[:20])}")
        if transport.interleaved is None and transport.datagrams:
            raise SourceRefused(
                Reason.UNSUPPORTED_TRANSPORT, "asked for TCP, the camera offers UDP", park_s=300.0
            )
        rtp, self._rtcp_channel = transport.interleaved or (0, 1)
        self.connection.parser.set_channels(rtp, self._rtcp_channel, description.payload_type)
        return self._session

    async def _setup_udp(self, description: Description) -> Session:
        assert self.connection is not None
        local = self.connection.local_address
        pair = self._resources.enter_context(
            open_pair(local, self._target.address, self._clock, self.budget)
        )
        pair.on_failure = self.connection.fail
        pair.reorder.payload_type = description.payload_type
        response = await self._require_requests().request_ok(
            "SETUP", description.control_url, {"Transport": udp_transport(pair.port)}
        )
        self._session = _session_of(response, "udp")
        pair.punch(parse_transport(response.headers.get("transport")).server_ports)
        self.udp = pair
        return self._session

    def _note_date(self, date: str) -> None:
        self.receiver_stats.on_date(date, self._clock.now())

    def _handle_rtp(self, packets: list[bytes]) -> None:
        kind = self._payload_type
        ours = (each for each in reversed(packets) if len(each) > 1 and each[1] & 0x7F == kind)
        self.receiver_stats.on_rtp(next(ours, b""), self._clock.now())
        self._on_rtp(packets)

    def _handle_rtcp(self, packets: list[bytes]) -> None:
        self.budget.charge(RTCP_PACKETS, len(packets))
        self.receiver_stats.on_rtcp(packets, self._clock.now())

    def _send_rtcp(self, report: bytes) -> None:
        if self.udp is not None:
            self.udp.send_rtcp(report)
        elif self.connection is not None:
            head = struct.pack("!cBH", b"$", self._rtcp_channel, len(report))
            self.connection.send(head + report)

    def _require_requests(self) -> RtspRequests:
        assert self._requests is not None, "connect first"
        return self._requests

    def _require_session(self) -> Session:
        assert self._session is not None, "set up first"
        return self._session


def _session_of(response: Response, transport: str) -> Session:
    """Return the session that *response* names; some servers do it in the answer to PLAY only."""
    parsed = parse_session(response.headers.get("session"))
    return Session(*(parsed or ("", DEFAULT_TIMEOUT_S)), transport)


class _RefusedUnclearly(Exception):
    """An answer to SETUP that may be about the transport; *error* is what it means else."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(str(error))
        self.error = error


def _encrypted(detail: str) -> CodecUnsupported:
    return CodecUnsupported(Reason.SRTP_REQUIRED, detail, park_s=300.0)
