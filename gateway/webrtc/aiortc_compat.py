"""All that we use of the private parts of aiortc, aioice and pylibsrtp.

Their versions are pinned exactly; `tests/unit/webrtc/test_aiortc_compat.py` holds one test per
assumption, so that an upgrade that breaks one says which.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

import aioice.ice
import pylibsrtp
from aioice import stun, turn
from aioice.ice import CandidatePair
from aioice.ice import StunProtocol as StunProtocol
from aiortc import (
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import SRTP_PROFILES
from pylibsrtp._binding import ffi, lib

from gateway.model.reasons import Reason

Address = tuple[str, int]
DatagramHandler = Callable[[bytes, Address], None]
TurnProtocol = turn.TurnClientProtocol

TURN_FRAME_BYTES = 2_048
"""The largest message of a TURN server over TCP; media in it are at most 1,500 bytes."""

BUFFER_BYTES = 65_536 + 2_048
"""The largest batch of UDP segmentation offload, and one packet more."""

READ_AT_ONCE = 16
"""Datagrams that are read from one port in a turn of the loop."""

DATAGRAM_BYTES = 2_048
"""So much of a datagram is read; whatever is longer than 1,500 bytes is dropped as that."""

_BUFFER = bytearray(BUFFER_BYTES)
_BASE = ffi.from_buffer(_BUFFER)
_VIEW = memoryview(_BUFFER)

TURN_LIFETIME_S = 60
"""The shortest allocation that is used. RFC 8656 §7.2 has a server grant 600 s or more; aioice
refreshes after five sixths of what was granted, of nothing without a pause."""

_RELEASE_BUFFERS = 0x10
"""SSL_MODE_RELEASE_BUFFERS of openssl/ssl.h, which pyOpenSSL does not name."""

_LIVE = (CandidatePair.State.IN_PROGRESS, CandidatePair.State.SUCCEEDED)


class Certificate(RTCCertificate):
    """A certificate whose DTLS connection holds no buffers between records.

    After the handshake comes one more record, close_notify. The two buffers are 41 kB a viewer.
    """

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_mode(_RELEASE_BUFFERS)
        return context


def act_as_dtls_server(dtls: RTCDtlsTransport) -> None:
    """Make us the DTLS server, which chooses the SRTP profile: AES-GCM before AES-CM.

    GCM is one pass with AES instructions, CM is cipher and HMAC: 1.25 against 1.88 µs for a
    packet of 1,200 bytes (x86-64).
    """
    dtls._set_role("server")
    dtls._srtp_profiles = sorted(
        SRTP_PROFILES, key=lambda profile: (profile.salt_length != 12, profile.key_length)
    )


class InboundFilter(Protocol):
    """Decides what aioice gets of what comes in."""

    def on_datagram(
        self,
        protocol: StunProtocol,
        datagram: bytes,
        address: Address,
        deliver: DatagramHandler,
    ) -> None:
        """Call *deliver* if aioice may have *datagram*, which came to a candidate."""
        ...

    def on_turn_message(
        self, protocol: TurnProtocol, message: bytes, deliver: Callable[[bytes], None]
    ) -> None:
        """Call *deliver* if aioice may have *message* of a TURN server."""
        ...

    def on_turn_framing_lost(self, protocol: TurnProtocol) -> None:
        """Note that the stream of a TURN server cannot be read on; it is being closed."""
        ...

    def on_turn_lifetime_refused(self, protocol: TurnProtocol, granted_s: int) -> None:
        """Note that a TURN server grants an allocation too little time; it is given up."""
        ...


_inbound_filter: ContextVar[InboundFilter | None] = ContextVar("inbound_filter", default=None)


@contextmanager
def filtered_by(inbound_filter: InboundFilter) -> Iterator[None]:
    """Whatever aioice opens within this context has *inbound_filter* before it, from the start."""
    token = _inbound_filter.set(inbound_filter)
    try:
        yield
    finally:
        _inbound_filter.reset(token)


class _FilteredStunProtocol(StunProtocol):
    """Of one candidate."""

    def __init__(self, receiver: Any) -> None:
        super().__init__(receiver)
        self._filter = _inbound_filter.get()
        self._socket: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = getattr(transport, "_sock", None)
        if self._socket is not None:  # else it is aioice's transport, over TURN
            # asyncio takes 256 kB from the system for each datagram: 17 µs, and 2 µs with 2 kB.
            transport.max_size = DATAGRAM_BYTES  # type: ignore[attr-defined]
        super().connection_made(transport)

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        deliver = super().datagram_received
        if self._filter is None:
            deliver(data, addr)
            return
        self._filter.on_datagram(self, bytes(data), (addr[0], addr[1]), deliver)  # type: ignore[arg-type]
        for datagram, source in self._read_on():
            self._filter.on_datagram(self, datagram, source, deliver)

    def _read_on(self) -> Iterator[tuple[bytes, Address]]:
        """Yield what else is there by now, so that one turn of the loop reads `READ_AT_ONCE`.

        asyncio reads one in a turn. Between two turns a flood fills the port, and the system then
        drops what the viewer sends as well.
        """
        for _ in range(READ_AT_ONCE - 1):
            if self._socket is None or self.transport.is_closing():
                return
            try:
                datagram, source = self._socket.recvfrom(DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an ICMP message, as asyncio would tell it
                self.error_received(error)
                return
            yield datagram, (source[0], source[1])


class _FilteredTurn(turn.TurnClientMixin):
    """Of one allocation: one that would have to be refreshed without pause is not used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._filter = _inbound_filter.get()

    async def request_with_retry(self, request: Any) -> tuple[Any, Address]:
        response, address = await super().request_with_retry(request)
        asked_s = request.attributes.get("LIFETIME", 0)  # 0 gives an allocation back
        granted_s = response.attributes.get("LIFETIME", TURN_LIFETIME_S)
        if asked_s and granted_s < TURN_LIFETIME_S:
            if self._filter is not None:
                self._filter.on_turn_lifetime_refused(self, granted_s)  # type: ignore[arg-type]
            raise ConnectionError(f"the TURN server lets us use it for {granted_s} s only")
        return response, address


class _FilteredTurnUdpProtocol(_FilteredTurn, turn.TurnClientUdpProtocol):
    """Of one allocation over UDP."""

    def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
        deliver = super().datagram_received
        if self._filter is None:
            deliver(data, addr)
        else:
            self._filter.on_turn_message(self, bytes(data), lambda message: deliver(message, addr))  # type: ignore[arg-type]


class _FilteredTurnTcpProtocol(_FilteredTurn, turn.TurnClientTcpProtocol):
    """Of one allocation over TCP or TLS; reads the stream in linear time and bounded memory."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread = bytearray()

    def data_received(self, data: bytes) -> None:
        if self._filter is None:
            super().data_received(data)
            return
        self._unread += data
        at = 0
        while (size := _turn_frame_bytes(self._unread, at)) is not None:
            if size > TURN_FRAME_BYTES:
                self._unread.clear()
                self._filter.on_turn_framing_lost(self)
                self.transport.abort()
                return
            if len(self._unread) < at + size:
                break
            message = bytes(self._unread[at : at + size])
            self._filter.on_turn_message(self, message, self._deliver)
            at += size
        del self._unread[:at]

    def _deliver(self, message: bytes) -> None:
        self.datagram_received(message, self.server)


def _turn_frame_bytes(stream: bytearray, at: int) -> int | None:
    """Return the size of the TURN frame at *at* (RFC 8656 §12.5), padding included.

    None while its header is incomplete; more than `TURN_FRAME_BYTES` if there is no frame.
    """
    if len(stream) < at + 4:
        return None
    if stream[at] >= 0x80:
        return TURN_FRAME_BYTES + 1
    size = int.from_bytes(stream[at + 2 : at + 4], "big")
    return (4 if stream[at] & 0xC0 else 20) + size + (-size & 3)


# aioice looks these names up when it opens a socket.
aioice.ice.StunProtocol = _FilteredStunProtocol  # type: ignore[misc]
turn.TurnClientUdpProtocol = _FilteredTurnUdpProtocol  # type: ignore[misc]
turn.TurnClientTcpProtocol = _FilteredTurnTcpProtocol  # type: ignore[misc]


def local_credentials(gatherer: RTCIceGatherer) -> tuple[str, str]:
    """Return our ufrag and password."""
    ours = gatherer.getLocalParameters()
    return str(ours.usernameFragment), str(ours.password)


def limit_gathering(gatherer: RTCIceGatherer, servers_s: float) -> None:
    """Wait at most *servers_s* seconds for STUN and TURN servers; aioice waits for 5 s.

    To be called before gathering. Host candidates are there whatever the servers do.
    """
    connection = gatherer._connection
    connection.get_component_candidates = partial(  # type: ignore[method-assign]
        connection.get_component_candidates,
        timeout=servers_s,  # type: ignore[arg-type]
    )


def is_checked(gatherer: RTCIceGatherer, address: Address) -> bool:
    """Return whether a connectivity check to *address* is running or has succeeded."""
    host, port = address
    return any(
        pair.remote_candidate.port == port
        and pair.remote_candidate._network_host == host
        and pair.state in _LIVE
        for pair in gatherer._connection._check_list
    )


def nominated_pair(ice: RTCIceTransport) -> tuple[Any, Address] | None:
    """Return transport and remote address of the nominated pair; None while there is none.

    The transport is asyncio's datagram transport, with a socket, or aioice's TURN transport,
    without.
    """
    pair = ice._connection._nominated.get(1)
    return None if pair is None else (pair.protocol.transport, pair.remote_addr)


def ice_credentials(ice: RTCIceTransport) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return ufrag and password, ours and the remote ones. *ice* must have started."""
    connection = ice._connection
    ours = connection.local_username, connection.local_password
    return ours, (str(connection.remote_username), str(connection.remote_password))


def is_controlling(ice: RTCIceTransport) -> bool:
    """Return whether our role is controlling; it changes when aioice resolves a role conflict."""
    return ice._connection.ice_controlling


def check_attributes(ice: RTCIceTransport) -> bytes:
    """Return the attributes of a check of the nominated pair as bytes, without signature."""
    connection = ice._connection
    return bytes(connection.build_request(connection._nominated[1], nominate=False))[20:]


def disable_consent_checks(ice: RTCIceTransport) -> None:
    """Stop aioice from sending consent checks. To be called before *ice* starts."""

    async def nothing() -> None:
        pass

    ice._connection.query_consent = nothing  # type: ignore[method-assign]


def inbound_srtp(dtls: RTCDtlsTransport) -> pylibsrtp.Session:
    """Return the inbound SRTP session of a connected *dtls*."""
    return dtls._rx_srtp


def outbound_srtp(dtls: RTCDtlsTransport, *, window: int) -> pylibsrtp.Session:
    """Return a new outbound SRTP session with the keys of a connected *dtls*, a server.

    In place of aiortc's own, which must not be used beside it: that has a window of 1,024 packets,
    which libsrtp moves bit by bit for each packet, a thirtieth of the fast path's time.

    Args:
        dtls: Has negotiated the keys.
        window: How many packets back one may be encrypted again under its number; at least 64.
    """
    connection = dtls._ssl
    assert connection is not None
    name = connection.get_selected_srtp_profile()
    profile = next(each for each in dtls._srtp_profiles if each.openssl_profile == name)
    size = 2 * (profile.key_length + profile.salt_length)
    keys = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
    policy = pylibsrtp.Policy(
        key=profile.get_key_and_salt(keys, 1),
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=profile.libsrtp_profile,
    )
    policy.allow_repeat_tx = True
    policy.window_size = window
    return pylibsrtp.Session(policy)


class InPlaceSrtp:
    """Encrypts packets in place, in one buffer that all sessions share.

    `pylibsrtp.Session.protect` copies each packet in and out and makes three objects for it.

    Attributes:
        buffer: Where packets are written, one behind the other. They must be sent in the same
            call: the next session overwrites them.
        base: Address of the buffer's first byte; ``base + n`` points at packet bytes.
        length: ``int *`` in and out: the packet's length before and after.
        handle: libsrtp's session.
        protect: ``srtp_protect(handle, pointer, length)``; 0 is success.
        addresses: Of `protect` and `handle` in memory, for compiled callers; valid as long as
            this object exists.
    """

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session  # owns what `handle` points at
        self.buffer, self.base = _BUFFER, _BASE
        self.length = ffi.new("int *")
        self.handle = session._srtp[0]
        self.protect = lib.srtp_protect
        function = ffi.cast("uintptr_t", ffi.addressof(lib, "srtp_protect"))
        self.addresses = int(function), int(ffi.cast("uintptr_t", self.handle))

    def protect_rtcp(self, datagram: bytes) -> memoryview:
        """Return *datagram* as SRTCP, in the shared buffer; send it before the next write.

        Raises:
            pylibsrtp.Error: libsrtp has refused it.
        """
        size = len(datagram)
        self.buffer[:size] = datagram
        self.length[0] = size
        if error := lib.srtp_protect_rtcp(self.handle, self.base, self.length):
            raise pylibsrtp.Error(f"SRTCP: libsrtp's error {error}")
        return _VIEW[: self.length[0]]


class TurnRefused(Exception):
    """A TURN server gives no allocation, or does not answer.

    Attributes:
        reason: Which of the two.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Unread(asyncio.DatagramProtocol):
    """Nobody sends anything to an allocation that is only tried.

    Attributes:
        lost: Set once the allocation was given back and the connection to the server is closed.
    """

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set()


async def allocate(
    address: Address,
    *,
    username: str | None,
    password: str | None,
    transport: str,
    tls: ssl.SSLContext | None,
) -> str:
    """Return the address that a TURN server relays for us, once it was given back.

    Raises:
        TurnRefused: It refuses, or does not answer.
        OSError: It cannot be reached; `ssl.SSLError` if TLS fails.
    """
    try:
        relayed, unread = await turn.create_turn_endpoint(
            _Unread,
            server_addr=address,
            username=username,
            password=password,
            ssl=tls,
            transport=transport,
        )
    except stun.TransactionTimeout as error:
        raise TurnRefused(Reason.TURN_DOWN, "no answer") from error
    except stun.TransactionFailed as error:
        code = error.response.attributes.get("ERROR-CODE", (0, ""))[0]
        raise TurnRefused(Reason.NOT_AUTHORISED, f"it answers {code}") from error
    host, port = relayed.get_extra_info("sockname")[:2]
    relayed.close()
    await unread.lost.wait()
    return f"{host}:{port}"
