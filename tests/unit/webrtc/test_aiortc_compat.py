"""One test for each assumption about what is private to aiortc, aioice and pylibsrtp."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version

import pylibsrtp
import pytest
from aiortc import (
    RTCCertificate,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceServer,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import SRTP_PROFILES

from gateway.webrtc import aiortc_compat
from gateway.webrtc.aiortc_compat import READ_AT_ONCE
from tests.fixtures.clock import HANG_S
from tests.fixtures.tcp import tcp_server


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


class Recorder:
    """A filter that keeps everything for itself."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[bytes] = asyncio.Queue(maxsize=10)

    def on_datagram(self, _protocol: object, datagram: bytes, *_: object) -> None:
        self.seen.put_nowait(datagram)

    def on_turn_message(self, _protocol: object, message: bytes, _deliver: object) -> None:
        self.seen.put_nowait(message)

    def on_turn_framing_lost(self, _protocol: object) -> None:
        self.seen.put_nowait(b"lost")

    def on_turn_lifetime_refused(self, _protocol: object, granted_s: int) -> None:
        self.seen.put_nowait(b"%d s" % granted_s)


async def test_what_comes_to_a_candidate_comes_to_the_filter() -> None:
    """Aioice makes its protocols by a name of its module, which we have replaced."""
    gatherer = RTCIceGatherer(iceServers=[])
    recorder = Recorder()
    with aiortc_compat.filtered_by(recorder):
        await gatherer.gather()
    address = gatherer._connection._protocols[0].transport.get_extra_info("sockname")
    loop = asyncio.get_running_loop()
    sender, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(address[0], 0)
    )
    sender.sendto(b"hello", address)

    async with asyncio.timeout(HANG_S):
        assert await recorder.seen.get() == b"hello"
    sender.close()
    await RTCIceTransport(gatherer).stop()


class Counter(Recorder):
    """A filter that counts, and drops everything."""

    count = 0

    def on_datagram(self, *_: object) -> None:
        self.count += 1


async def test_of_a_flood_several_are_read_in_one_turn_and_then_others_have_theirs() -> None:
    """What is behind them in the port is not lost so soon; a turn of the loop stays short."""
    gatherer, counter = RTCIceGatherer(iceServers=[]), Counter()
    with aiortc_compat.filtered_by(counter):
        await gatherer.gather()
    address = gatherer._connection._protocols[0].transport.get_extra_info("sockname")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((address[0], 0))
        for _ in range(3 * READ_AT_ONCE):
            sender.sendto(b"hello", address)
    read = []
    async with asyncio.timeout(HANG_S):
        while counter.count < 3 * READ_AT_ONCE:
            before = counter.count
            await asyncio.sleep(0)
            read.append(counter.count - before)

    assert [each for each in read if each] == [READ_AT_ONCE] * 3
    await RTCIceTransport(gatherer).stop()


@asynccontextmanager
async def answer_by(answer: bytes, *, tcp: bool) -> AsyncIterator[str]:
    """Run a TURN server that says *answer* to whatever comes; yield its URL."""
    loop = asyncio.get_running_loop()
    if tcp:

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()
            writer.close()

        async with tcp_server(serve) as port:
            yield f"turn:127.0.0.1:{port}?transport=tcp"
        return

    class Responder(asyncio.DatagramProtocol):
        def datagram_received(self, _data: bytes, address: tuple[str, int]) -> None:
            transport.sendto(answer, address)

    transport, _ = await loop.create_datagram_endpoint(Responder, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    yield f"turn:127.0.0.1:{port}?transport=udp"
    transport.close()


@pytest.mark.parametrize(
    ("answer", "tcp", "seen"),
    [
        (b"hello", False, b"hello"),
        (b"\x01\x13\x00\x04" + bytes(20), True, b"\x01\x13\x00\x04" + bytes(20)),
        (b"\x40\x00\x00\x05hello\x00\x00\x00", True, b"\x40\x00\x00\x05hello\x00\x00\x00"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, b"lost"),
        (b"\xff" * 100, True, b"lost"),
    ],
    ids=["udp", "stun", "channel data", "http", "noise"],
)
async def test_what_a_turn_server_sends_comes_to_the_filter(
    answer: bytes, tcp: bool, seen: bytes
) -> None:
    """Over UDP as it comes, over TCP frame by frame, padding included (RFC 8656 §12.5)."""
    recorder = Recorder()
    async with answer_by(answer, tcp=tcp) as url:
        gatherer = RTCIceGatherer(iceServers=[RTCIceServer(urls=url, username="u", credential="c")])
        with aiortc_compat.filtered_by(recorder):
            gathering = asyncio.create_task(gatherer.gather())
            async with asyncio.timeout(HANG_S):
                assert await recorder.seen.get() == seen

        gathering.cancel()
        await asyncio.gather(gathering, return_exceptions=True)
        await RTCIceTransport(gatherer).stop()


@dataclass
class End:
    """One end of a connection."""

    gatherer: RTCIceGatherer
    ice: RTCIceTransport
    dtls: RTCDtlsTransport


def new_end() -> End:
    gatherer = RTCIceGatherer(iceServers=[])
    ice = RTCIceTransport(gatherer)
    return End(gatherer, ice, RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()]))


async def connect_ice(near: End, far: End) -> None:
    """Gather and connect; *near* is controlling."""
    near.ice._connection.ice_controlling = True
    for this, other in ((near, far), (far, near)):
        await other.gatherer.gather()
        for candidate in other.gatherer.getLocalCandidates():
            candidate.sdpMid = "0"
            await this.ice.addRemoteCandidate(candidate)
        await this.ice.addRemoteCandidate(None)
    await asyncio.gather(
        near.ice.start(far.gatherer.getLocalParameters()),
        far.ice.start(near.gatherer.getLocalParameters()),
    )


@pytest.fixture
async def connected() -> AsyncIterator[tuple[End, End]]:
    """Ours, a DTLS server that leaves consent to us, and aiortc's; connected."""
    near, far = new_end(), new_end()
    aiortc_compat.act_as_dtls_server(near.dtls)
    aiortc_compat.disable_consent_checks(near.ice)
    far.dtls._set_role("client")
    async with asyncio.timeout(HANG_S):
        await connect_ice(near, far)
        fingerprints: RTCDtlsParameters = far.dtls.getLocalParameters()
        await asyncio.gather(
            near.dtls.start(fingerprints), far.dtls.start(near.dtls.getLocalParameters())
        )
    yield near, far
    for end in (near, far):
        await end.dtls.stop()
        await end.ice.stop()


async def test_before_the_connection_no_pair_is_nominated() -> None:
    """Aioice has no nominated pair of component 1."""
    assert aiortc_compat.nominated_pair(new_end().ice) is None


async def test_before_the_connection_no_address_is_checked() -> None:
    """Aioice's check list is empty."""
    assert not aiortc_compat.is_checked(new_end().gatherer, ("192.0.2.1", 5000))


async def test_the_nominated_pair_has_a_socket(connected: tuple[End, End]) -> None:
    """Asyncio's transport gives it away."""
    pair = aiortc_compat.nominated_pair(connected[0].ice)

    assert pair is not None
    assert pair[0].get_extra_info("socket") is not None


async def test_the_address_of_the_nominated_pair_is_checked(connected: tuple[End, End]) -> None:
    """Its pair stays in aioice's check list, as succeeded."""
    pair = aiortc_compat.nominated_pair(connected[0].ice)

    assert pair is not None
    assert aiortc_compat.is_checked(connected[0].gatherer, pair[1])


async def test_our_outbound_srtp_is_what_aiortc_decrypts(connected: tuple[End, End]) -> None:
    """The keys exported by OpenSSL are those that aiortc has exported."""
    near, far = connected
    packet = bytes([0x80, 96, 0, 1]) + bytes(8) + b"payload"

    protected = aiortc_compat.outbound_srtp(near.dtls, window=64).protect(packet)

    assert aiortc_compat.inbound_srtp(far.dtls).unprotect(protected) == packet


@pytest.mark.parametrize("window", [64, 1024])
async def test_packets_can_be_encrypted_again_within_the_window(
    connected: tuple[End, End], window: int
) -> None:
    """And not further back."""
    assert repeatable(connected[0].dtls, window) == window


async def test_aioices_consent_checks_can_be_disabled(connected: tuple[End, End]) -> None:
    """The task that it starts ends at once."""
    consent = connected[0].ice._connection._query_consent_task
    assert consent is not None
    async with asyncio.timeout(HANG_S):
        await consent


async def test_credentials_of_both_ends_are_known(connected: tuple[End, End]) -> None:
    """Ours are the other end's remote ones."""
    local, remote = aiortc_compat.ice_credentials(connected[0].ice)

    assert aiortc_compat.ice_credentials(connected[1].ice) == (remote, local)


async def test_the_role_is_known(connected: tuple[End, End]) -> None:
    """One end is controlling, the other is not."""
    assert aiortc_compat.is_controlling(connected[0].ice)
    assert not aiortc_compat.is_controlling(connected[1].ice)


async def test_the_attributes_of_a_check_are_those_on_the_wire(connected: tuple[End, End]) -> None:
    """User name, priority and role; no signature."""
    ice = connected[0].ice
    (_, _), (remote_ufrag, _) = aiortc_compat.ice_credentials(ice)

    attributes = aiortc_compat.check_attributes(ice)

    assert attributes[:2] == b"\x00\x06"
    assert remote_ufrag.encode() in attributes


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


async def test_gathering_waits_for_servers_as_long_as_it_is_told() -> None:
    """Its own limit is given to the method that is replaced, by the name `timeout`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        host, port = dead.getsockname()
        server = RTCIceServer(urls=[f"turn:{host}:{port}"], username="u", credential="p")
        gatherer = RTCIceGatherer(iceServers=[server])
        aiortc_compat.limit_gathering(gatherer, 0.01)

        await gatherer.gather()

        assert all(each.type == "host" for each in gatherer.getLocalCandidates())
        dead.setblocking(False)
        asked = 0
        with suppress(BlockingIOError):
            while dead.recv(2048):
                asked += 1
        assert asked < 4  # as many as in 5 s
    await gatherer._connection.close()
