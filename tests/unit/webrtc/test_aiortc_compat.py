"""One test for each assumption about what is private to aiortc, aioice and pylibsrtp."""

from __future__ import annotations

import asyncio
import inspect
import os
from importlib.metadata import version

import pylibsrtp
import pytest
from aiortc import (
    RTCCertificate,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import SRTP_PROFILES

from gateway.webrtc import aiortc_compat
from tests.fixtures.clock import HANG_S


def test_the_versions_are_the_ones_looked_at() -> None:
    """Another version means: look again, then change this test."""
    assert (version("aiortc"), version("aioice")) == ("1.16.0", "0.13.0")


def test_gcm_is_preferred_and_all_profiles_stay() -> None:
    """AES-128-GCM, AES-256-GCM, then AES-CM for viewers without GCM."""
    gatherer = RTCIceGatherer(iceServers=[])
    dtls = RTCDtlsTransport(RTCIceTransport(gatherer), [RTCCertificate.generateCertificate()])

    aiortc_compat.act_as_dtls_server(dtls)

    assert [profile.openssl_profile for profile in dtls._srtp_profiles] == [
        b"SRTP_AEAD_AES_128_GCM",
        b"SRTP_AEAD_AES_256_GCM",
        b"SRTP_AES128_CM_SHA1_80",
    ]
    assert dtls._role == "server"


def test_dtls_keeps_no_buffers_between_records() -> None:
    """The handshake takes its context from the certificate, and its mode is OpenSSL's 0x10."""
    certificate = aiortc_compat.Certificate.generateCertificate()
    plain = RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES)

    context = certificate._create_ssl_context(SRTP_PROFILES)

    assert isinstance(certificate, aiortc_compat.Certificate)
    assert context.set_mode(0) == plain.set_mode(0) | 0x10
    assert "local_certificate._create_ssl_context(" in inspect.getsource(RTCDtlsTransport.start)


async def test_a_protocols_datagrams_can_be_wrapped() -> None:
    """Asyncio looks `datagram_received` up on the instance for every datagram."""
    gatherer = RTCIceGatherer(iceServers=[])
    await gatherer.gather()
    seen: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
    protocols = aiortc_compat.stun_protocols(gatherer)
    for protocol in protocols:
        aiortc_compat.wrap_datagrams(
            protocol, lambda _inner: lambda data, _address: seen.put_nowait(data)
        )

    loop = asyncio.get_running_loop()
    address = protocols[0].transport.get_extra_info("sockname")
    sender, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(address[0], 0)
    )
    sender.sendto(b"hello", address)

    async with asyncio.timeout(HANG_S):
        assert await seen.get() == b"hello"
    sender.close()
    await RTCIceTransport(gatherer).stop()


async def test_before_the_connection_nothing_is_nominated_checked_or_waiting() -> None:
    """The three looks into aioice's connection."""
    gatherer = RTCIceGatherer(iceServers=[])
    ice = RTCIceTransport(gatherer)

    assert aiortc_compat.nominated_pair(ice) is None
    assert not aiortc_compat.is_checked(gatherer, ("192.0.2.1", 5000))
    assert aiortc_compat.queued_datagrams(gatherer) == 0


async def test_a_connected_pair_shows_its_path_and_its_keys() -> None:
    """Nominated pair with a socket, checked address, SRTP sessions of both directions."""
    ends = []
    for _ in range(2):
        gatherer = RTCIceGatherer(iceServers=[])
        await gatherer.gather()
        ice = RTCIceTransport(gatherer)
        dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
        ends.append((gatherer, ice, dtls))
    (gatherer, ice, dtls), (far_gatherer, far_ice, far_dtls) = ends
    aiortc_compat.act_as_dtls_server(dtls)
    ice._connection.ice_controlling = True
    far_dtls._set_role("client")
    for this, other in ((ice, far_gatherer), (far_ice, gatherer)):
        for candidate in other.getLocalCandidates():
            candidate.sdpMid = "0"
            await this.addRemoteCandidate(candidate)
        await this.addRemoteCandidate(None)

    def parameters(of: RTCIceGatherer) -> RTCIceParameters:
        return of.getLocalParameters()

    async with asyncio.timeout(HANG_S):
        await asyncio.gather(
            ice.start(parameters(far_gatherer)), far_ice.start(parameters(gatherer))
        )
        fingerprints: RTCDtlsParameters = far_dtls.getLocalParameters()
        await asyncio.gather(dtls.start(fingerprints), far_dtls.start(dtls.getLocalParameters()))

    nominated = aiortc_compat.nominated_pair(ice)
    assert nominated is not None
    transport, address = nominated
    assert transport.get_extra_info("socket") is not None
    assert aiortc_compat.is_checked(gatherer, address)
    packet = bytes([0x80, 96, 0, 1]) + bytes(8) + b"payload"
    protected = aiortc_compat.outbound_srtp(dtls, window=64).protect(packet)
    assert aiortc_compat.inbound_srtp(far_dtls).unprotect(protected) == packet
    assert [repeatable(dtls, window) for window in (64, 1024)] == [64, 1024]
    for _, each_ice, each_dtls in ends:
        await each_dtls.stop()
        await each_ice.stop()


async def test_aioice_can_be_kept_from_asking_for_consent() -> None:
    """What it would start is over as soon as it is started; closing does not mind."""
    gatherers = RTCIceGatherer(iceServers=[]), RTCIceGatherer(iceServers=[])
    near, far = map(RTCIceTransport, gatherers)
    near._connection.ice_controlling = True
    aiortc_compat.disable_consent_checks(near)
    for this, other in ((near, gatherers[1]), (far, gatherers[0])):
        await other.gather()
        for candidate in other.getLocalCandidates():
            candidate.sdpMid = "0"
            await this.addRemoteCandidate(candidate)
        await this.addRemoteCandidate(None)
    async with asyncio.timeout(HANG_S):
        await asyncio.gather(
            near.start(gatherers[1].getLocalParameters()),
            far.start(gatherers[0].getLocalParameters()),
        )
        asking = near._connection._query_consent_task
        assert asking is not None
        await asking

    ours, theirs = aiortc_compat.ice_credentials(near)
    assert aiortc_compat.ice_credentials(far) == (theirs, ours)
    assert aiortc_compat.is_controlling(near)
    for end in (near, far):
        await end.stop()


def repeatable(dtls: RTCDtlsTransport, window: int) -> int:
    """Return how far back packets can be sent again under their number."""
    outbound = aiortc_compat.outbound_srtp(dtls, window=window)

    def send(seq: int) -> bool:
        try:
            outbound.protect(bytes([0x80, 96]) + seq.to_bytes(2, "big") + bytes(8) + b"payload")
        except pylibsrtp.Error:
            return False
        return True

    assert all(send(seq) for seq in range(2_000))
    return sum(send(1_999 - back) for back in range(1_500))


def test_in_place_srtp_writes_what_pylibsrtp_would() -> None:
    """The same session parameters give the same bytes."""
    key = os.urandom(28)

    def session() -> pylibsrtp.Session:
        profile = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
        return pylibsrtp.Session(
            pylibsrtp.Policy(
                key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile
            )
        )

    packet = bytes([0x80, 96, 0, 1]) + bytes(8) + os.urandom(500)
    srtp = aiortc_compat.InPlaceSrtp(session())

    srtp.buffer[100 : 100 + len(packet)] = packet
    srtp.length[0] = len(packet)
    assert srtp.protect(srtp.handle, srtp.base + 100, srtp.length) == 0

    assert bytes(srtp.buffer[100 : 100 + srtp.length[0]]) == session().protect(packet)


def test_reports_are_protected_in_place_as_pylibsrtp_would() -> None:
    """One after the other, each with its own index."""
    key = os.urandom(28)

    def session() -> pylibsrtp.Session:
        profile = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
        ssrc = pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        return pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=ssrc, srtp_profile=profile))

    srtp, plain = aiortc_compat.InPlaceSrtp(session()), session()
    reports = [bytes([0x80, 200, 0, 6]) + os.urandom(24) for _ in range(3)]

    for report in reports:
        assert bytes(srtp.protect_rtcp(report)) == plain.protect_rtcp(report)


def test_what_libsrtp_refuses_is_an_error() -> None:
    """Nothing is ever sent in clear instead."""
    policy = pylibsrtp.Policy(
        key=os.urandom(28),
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    )

    with pytest.raises(pylibsrtp.Error):
        aiortc_compat.InPlaceSrtp(pylibsrtp.Session(policy)).protect_rtcp(b"\x80\xc8")


def test_srtp_sessions_share_their_buffer_and_nothing_else() -> None:
    """Each packet is written, protected and taken away in one go, whoever was before."""
    keys = (os.urandom(28), os.urandom(28))

    def session(key: bytes) -> pylibsrtp.Session:
        profile = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
        ssrc = pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        return pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=ssrc, srtp_profile=profile))

    both = [aiortc_compat.InPlaceSrtp(session(key)) for key in keys]
    plain = [session(key) for key in keys]

    for seq in range(3):
        for srtp, expected in zip(both, plain, strict=True):
            packet = bytes([0x80, 96, 0, seq]) + bytes(8) + os.urandom(100)
            srtp.buffer[: len(packet)] = packet
            srtp.length[0] = len(packet)
            assert srtp.protect(srtp.handle, srtp.base, srtp.length) == 0
            assert bytes(srtp.buffer[: srtp.length[0]]) == expected.protect(packet)
