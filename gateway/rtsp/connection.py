"""The TCP connection to a camera: requests out, answers and interleaved RTP in.

The transport writes into the buffer of `RtspParser`; packets are handed on in the same call. A
read is short, so that other cameras have their turn, and is charged to the camera's budget. The
error that ends the connection is raised to whoever waits for a response or for the end.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from gateway.model.errors import GatewayError, SourceStalled, SourceUnavailable, WebServer
from gateway.model.reasons import Reason
from gateway.rtsp.budget import (
    BYTES,
    MAX_UNSENT_BYTES,
    PACKETS,
    READ_BYTES,
    CameraBudget,
    abusive,
)
from gateway.rtsp.errors import error_of_os, error_of_redirect, in_plain_words
from gateway.rtsp.messages import HttpInstead, Malformed, Message, Response, encode_response
from gateway.rtsp.parser import RtspParser
from gateway.runtime.clock import SystemClock
from gateway.runtime.lateness import time_limit
from gateway.runtime.url_policy import Target

CONNECT_S = 5.0
ANSWER_S = 5.0

MAX_GIVEN_UP = 1_024
"""Requests without an answer that are remembered: of a session of more than four hours."""

_ANSWERED_METHODS = frozenset(
    {"OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE", "PLAY_NOTIFY"}
)

PacketHandler = Callable[[list[bytes]], None]


def ignore(packets: list[bytes]) -> None:
    """Take *packets* and do nothing with them."""


class RtspConnection(asyncio.BufferedProtocol):
    """One TCP connection, from `connect` until `abort`.

    Args:
        place: Host and port, for errors.
        budget: What the camera may cost; None: one of its own.

    Attributes:
        parser: Parses what is received.
        on_rtp: Called with the video's RTP packets of each read.
        on_rtcp: Called with its RTCP packets.
        answered: Whether the peer has ever sent a response.
    """

    def __init__(self, place: str, budget: CameraBudget | None = None) -> None:
        self._place = place
        self._budget = budget or CameraBudget(SystemClock())
        self._transport: asyncio.Transport | None = None
        self._pending: asyncio.Future[Response] | None = None
        self._given_up: set[int] = set()
        self._broken: BaseException | None = None
        self._closed = asyncio.Event()
        self.parser = RtspParser(self._budget)
        self._unparsed_bytes = 0  # of what somebody else has read
        self.on_rtp: PacketHandler = ignore
        self.on_rtcp: PacketHandler = ignore
        self.answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        held = transport.get_extra_info("socket")
        if held is not None:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self.parser.get_buffer()[:READ_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        unknown_frames = self.parser.unknown_frames
        batch = self.parser.feed(nbytes)
        unknown_frames = self.parser.unknown_frames - unknown_frames
        try:
            self._budget.charge(BYTES, nbytes)
            self._budget.charge(PACKETS, max(1, len(batch.rtp) + unknown_frames))
            if batch.rtp:
                self.on_rtp(batch.rtp)
            if batch.rtcp:
                self.on_rtcp(batch.rtcp)
            for message in batch.messages:
                self._handle_message(message)
        except GatewayError as error:
            self.fail(error)
        if self.parser.error is not None:
            self.fail(self._error_of_parser(self.parser.error))

    def _error_of_parser(self, error: Malformed | GatewayError) -> GatewayError:
        if isinstance(error, GatewayError):
            return error
        if isinstance(error, HttpInstead):
            return WebServer(self._place)
        return SourceUnavailable(Reason.CORRUPT, f"{self._place}: {error}")

    def eof_received(self) -> None:
        self.fail(SourceStalled(Reason.STALLED, f"{self._place} has closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError) and self.answered:
            detail = f"{self._place} {in_plain_words(exc)}"
            self.fail(SourceStalled(Reason.STALLED, detail))
        elif isinstance(exc, OSError):
            self.fail(error_of_os(exc, self._place))
        else:  # None: we have ended it; else: a bug of whoever took the packets
            self.fail(exc or SourceStalled(Reason.STALLED, f"{self._place}: connection ended"))
        self._closed.set()

    @property
    def descriptor(self) -> int:
        """Of the plain TCP socket; -1 if there is none: TLS, or not connected."""
        transport = self._transport
        if transport is None or transport.get_extra_info("sslcontext") is not None:
            return -1
        held = transport.get_extra_info("socket")
        return -1 if held is None else int(held.fileno())

    @property
    def rtp_channel(self) -> int:
        """Of the interleaved frames with the video's RTP; negative before it is known."""
        return self.parser.rtp_channel

    @property
    def rtcp_channel(self) -> int:
        """Of those with its RTCP; negative before it is known."""
        return self.parser.rtcp_channel

    sender: None = None
    """It comes from whoever has accepted the connection."""

    def pause(self) -> None:
        """Stop reading until `resume`; somebody else reads from `descriptor`."""
        assert self._transport is not None
        self._transport.pause_reading()

    def continue_from(self, seq: int, source: int) -> None:
        """Do nothing: TCP keeps the order."""

    def add_strangers(self, count: int) -> None:
        """Do nothing: nobody else can send."""

    def resume(self, read: bytes) -> None:
        """Go on reading; *read* has been read meanwhile and comes first."""
        if self._transport is not None:
            self._transport.resume_reading()
        self._unparsed_bytes = len(read)
        while self._unparsed_bytes and self._broken is None:
            buffer = self.parser.get_buffer()
            piece = read[-self._unparsed_bytes :][: len(buffer)]
            buffer[: len(piece)] = piece
            self._unparsed_bytes -= len(piece)
            try:
                self.buffer_updated(len(piece))
            except BaseException as error:  # asyncio ends it so when it has read itself
                self.fail(error)
                raise

    def is_idle(self, seq: int) -> bool:  # noqa: ARG002
        """Whether all that has been read is parsed, and nothing is incomplete.

        TCP keeps the order, so packet *seq*, which the depacketizer expects, comes next.
        """
        return not self._unparsed_bytes and self.parser.idle

    @property
    def local_address(self) -> str:
        """Our end's IP address."""
        assert self._transport is not None
        return str(self._transport.get_extra_info("sockname")[0])

    @property
    def usable(self) -> bool:
        """Whether requests can still be sent."""
        return self._broken is None and self._transport is not None

    def send(self, packet: bytes) -> None:
        """Send bytes that have no response; one that reads nothing of ours is cut off."""
        if self._transport is None or self._broken is not None:
            return
        self._transport.write(packet)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.fail(abusive(f"{self._place} does not read what it is sent"))

    async def request(self, request: bytes, cseq: int, *, timeout_s: float = ANSWER_S) -> Response:
        """Send *request*, numbered *cseq*, and return its response. One at a time.

        Since only one is outstanding, a response counts as its whatever number the server gives
        it, unless that is the number of a request that was given up.

        Raises:
            SourceUnavailable: No answer in time (`TIMEOUT`), or what comes is not RTSP.
            SourceStalled: The camera has hung up.
        """
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._pending = answer
        self.send(request)
        if self._broken is not None:
            raise self._broken
        try:
            async with time_limit(timeout_s):
                return await answer
        except TimeoutError:
            if len(self._given_up) < MAX_GIVEN_UP:
                self._given_up.add(cseq)
            raise SourceUnavailable(
                Reason.TIMEOUT, f"{self._place} does not answer within {timeout_s:g} s"
            ) from None
        finally:
            self._pending = None

    async def wait_ended(self, *, timeout_s: float) -> None:
        """Wait at most *timeout_s* for the end of the connection.

        Raises:
            GatewayError: It has ended; why.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._closed.wait()
        except TimeoutError:
            return
        assert self._broken is not None
        raise self._broken

    async def abort(self) -> None:
        """End the connection now; nothing of it is left when this returns."""
        self.on_rtp = self.on_rtcp = ignore
        if self._transport is not None:
            self._transport.abort()
            await self._closed.wait()

    def fail(self, error: BaseException) -> None:
        """End the connection; the first *error* is raised to whoever waits."""
        if self._broken is None:
            self._broken = error
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(self._broken)
        if self._transport is not None:
            self._transport.abort()

    def _handle_message(self, message: Message) -> None:
        if not isinstance(message, Response):
            if message.method == "REDIRECT":
                self.fail(error_of_redirect(message.headers.get("location")))
            elif message.method in _ANSWERED_METHODS:
                self.send(encode_response(message.cseq, 200, "OK"))
            else:
                self.send(encode_response(message.cseq, 501, "Not Implemented"))
            return
        self.answered = True
        if message.cseq in self._given_up:
            self._given_up.discard(message.cseq)
            return
        if message.status >= 200 and self._pending is not None and not self._pending.done():
            self._pending.set_result(message)


async def connect(
    target: Target, tls: ssl.SSLContext | None, budget: CameraBudget | None = None
) -> RtspConnection:
    """Return a connection to *target*, over TLS if its scheme says so.

    Args:
        target: Where.
        tls: How to speak TLS; None: without verifying the certificate.
        budget: What the camera may cost; None: one of its own.

    Raises:
        SourceUnavailable: Refused, unreachable, timed out, or TLS failed.
    """
    loop = asyncio.get_running_loop()
    place = f"{target.host}:{target.port}"
    secured = target.scheme == "rtsps"
    try:
        async with time_limit(CONNECT_S):
            _, connection = await loop.create_connection(
                lambda: RtspConnection(place, budget),
                target.address,
                target.port,
                ssl=(tls or tls_context()) if secured else None,
                server_hostname=target.host if secured else None,
            )
    except TimeoutError:
        raise SourceUnavailable(
            Reason.TIMEOUT, f"{place} does not accept within {CONNECT_S:g} s"
        ) from None
    except OSError as error:
        raise error_of_os(error, place) from error
    return connection


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Return how to speak TLS to cameras.

    Args:
        ca_file: PEM file of the CA that has signed the cameras' certificates. None: the
            certificate is not verified. Cameras come with self-signed ones, so the line is
            then private against listeners, but not against whoever can stand in for the camera.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
