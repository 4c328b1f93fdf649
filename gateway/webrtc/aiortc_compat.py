"""All that we use of the private parts of aiortc, aioice and pylibsrtp.

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
"""The largest batch of UDP segmentation offload, and one packet more."""

_BUFFER = bytearray(BUFFER_BYTES)
_BASE = ffi.from_buffer(_BUFFER)
_VIEW = memoryview(_BUFFER)

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


def stun_protocols(gatherer: RTCIceGatherer) -> list[StunProtocol]:
    """Return the datagram protocols of the gathered candidates, those through TURN included."""
    return list(gatherer._connection._protocols)


def wrap_datagrams(
    protocol: StunProtocol, wrap: Callable[[DatagramHandler], DatagramHandler]
) -> None:
    """Replace the datagram handler of *protocol* by *wrap* of it."""
    protocol.datagram_received = wrap(protocol.datagram_received)  # type: ignore[method-assign, assignment]


def is_checked(gatherer: RTCIceGatherer, address: Address) -> bool:
    """Return whether a connectivity check to *address* is running or has succeeded."""
    return any(
        pair.state in _LIVE and pair.remote_addr == address
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
