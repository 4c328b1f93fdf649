"""Everything we use that is private to aiortc, aioice and pylibsrtp, and nothing else.

Their versions are pinned exactly; `tests/unit/webrtc/test_aiortc_compat.py` holds one test per
assumption, so that an upgrade that breaks one says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pylibsrtp
from aioice.ice import CandidatePair, StunProtocol
from aiortc import (
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import SRTP_PROFILES
from pylibsrtp._binding import ffi, lib

Address = tuple[str, int]
DatagramHandler = Callable[[bytes, Address], None]

BUFFER_BYTES = 65_536 + 2_048
"""Room for the largest batch of UDP segmentation offload, and one packet that overflows it."""

_BUFFER = bytearray(BUFFER_BYTES)
_BASE = ffi.from_buffer(_BUFFER)
_VIEW = memoryview(_BUFFER)

_RELEASE_BUFFERS = 0x10
"""SSL_MODE_RELEASE_BUFFERS of openssl/ssl.h, which pyOpenSSL does not name."""

_LIVE = (CandidatePair.State.IN_PROGRESS, CandidatePair.State.SUCCEEDED)


class Certificate(RTCCertificate):
    """Of one association, whose DTLS keeps no buffers between records.

    After the handshake there is one more record, the goodbye; the two buffers are 41 kB a viewer.
    """

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_mode(_RELEASE_BUFFERS)
        return context


def act_as_dtls_server(dtls: RTCDtlsTransport) -> None:
    """Make us the DTLS server, so that we choose the cipher: AES-GCM before AES-CM.

    One pass with AES instructions instead of cipher and HMAC: 1.25 against 1.88 µs for a packet
    of 1,200 bytes (x86-64).
    """
    dtls._set_role("server")
    dtls._srtp_profiles = sorted(
        SRTP_PROFILES, key=lambda profile: (profile.salt_length != 12, profile.key_length)
    )


def stun_protocols(gatherer: RTCIceGatherer) -> list[StunProtocol]:
    """Return the datagram protocols of the gathered candidates, relayed ones included."""
    return list(gatherer._connection._protocols)


def wrap_datagrams(
    protocol: StunProtocol, wrap: Callable[[DatagramHandler], DatagramHandler]
) -> None:
    """Let *wrap* stand between the socket of *protocol* and its own reading."""
    protocol.datagram_received = wrap(protocol.datagram_received)  # type: ignore[method-assign, assignment]


def is_checked(gatherer: RTCIceGatherer, address: Address) -> bool:
    """Return whether *address* belongs to a pair that is being or has been checked."""
    return any(
        pair.state in _LIVE and pair.remote_addr == address
        for pair in gatherer._connection._check_list
    )


def queued_datagrams(gatherer: RTCIceGatherer) -> int:
    """Return how many datagrams wait to be read by DTLS."""
    return int(gatherer._connection._queue.qsize())


def nominated_pair(ice: RTCIceTransport) -> tuple[Any, Address] | None:
    """Return the transport and remote address in use, or None before and after the connection.

    The transport is asyncio's datagram transport, with a socket, or aioice's TURN transport,
    without.
    """
    pair = ice._connection._nominated.get(1)
    return None if pair is None else (pair.protocol.transport, pair.remote_addr)


def ice_credentials(ice: RTCIceTransport) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return user name fragment and password, ours and the far end's; *ice* must have started."""
    connection = ice._connection
    ours = connection.local_username, connection.local_password
    return ours, (str(connection.remote_username), str(connection.remote_password))


def is_controlling(ice: RTCIceTransport) -> bool:
    """Return our role: aioice settles conflicts, whenever they are found."""
    return ice._connection.ice_controlling


def check_attributes(ice: RTCIceTransport) -> bytes:
    """Return the attributes of a check of the pair in use, unsigned, as they are on the wire."""
    connection = ice._connection
    return bytes(connection.build_request(connection._nominated[1], nominate=False))[20:]


def disable_consent_checks(ice: RTCIceTransport) -> None:
    """Leave the asking for consent to us; to be called before *ice* starts."""

    async def nothing() -> None:
        pass

    ice._connection.query_consent = nothing  # type: ignore[method-assign]


def inbound_srtp(dtls: RTCDtlsTransport) -> pylibsrtp.Session:
    """Return the SRTP session of a connected *dtls* for what comes."""
    return dtls._rx_srtp


def outbound_srtp(dtls: RTCDtlsTransport, *, window: int) -> pylibsrtp.Session:
    """Return an SRTP session for what a connected *dtls*, a server, sends; one and no other.

    aiortc's own has a window of 1,024 packets, which libsrtp moves on bit by bit for each packet:
    a thirtieth of what the fast path takes.

    Args:
        dtls: Its keys.
        window: So many packets back one may be sent again under its number; 64 at least.
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
    """SRTP protection of packets where they lie, in one buffer that all sessions share.

    `pylibsrtp.Session.protect` copies each packet in and out and makes three objects on the way.

    Attributes:
        buffer: Where packets are written, one after the other, and sent from in the same call:
            afterwards it is somebody else's.
        base: Address of the buffer's first byte; ``base + n`` points at packet bytes.
        length: ``int *`` in and out: the packet's length before and after.
        handle: libsrtp's session.
        protect: ``srtp_protect(handle, pointer, length)``; 0 is success.
        addresses: Where `protect` and `handle` are in memory, for compiled callers; they are there
            as long as this object is.
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
        """Return *datagram* as SRTCP, where packets lie: to be sent before anything else is."""
        size = len(datagram)
        self.buffer[:size] = datagram
        self.length[0] = size
        if error := lib.srtp_protect_rtcp(self.handle, self.base, self.length):
            raise pylibsrtp.Error(f"SRTCP: libsrtp's error {error}")
        return _VIEW[: self.length[0]]
