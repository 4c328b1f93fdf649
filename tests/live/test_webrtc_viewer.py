"""The relay against aiortc as the viewer: ICE, DTLS, SRTP and RTCP are all real."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from structlog.testing import capture_logs

from gateway.model.errors import ViewerRejected
from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Bye,
    Candidates,
    IceServer,
    Offer,
    RemoteCandidate,
    SessionKey,
    SessionStats,
)
from gateway.model.site_document import Limits
from gateway.ports import Sink
from gateway.rtp.rtcp import (
    ReceiverReport,
    SenderReport,
    nack,
    parse_compound,
    pli,
    receiver_report,
)
from gateway.runtime.bugs import BugCounts
from gateway.runtime.clock import SystemClock
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.gop_cache import GopCache
from gateway.streams.stream import Stream
from gateway.webrtc.inbound_drops import InboundDrops
from gateway.webrtc.loss_meter import WINDOW_S
from gateway.webrtc.rtp_sender import RtpSender
from gateway.webrtc.session_manager import SessionManager
from tests.fixtures.clock import HANG_S
from tests.fixtures.descriptors import none_free
from tests.fixtures.turn import own_address
from tests.fixtures.viewer import Viewer

pytestmark = pytest.mark.live

KEY = SessionKey("v-test", "session-1")


def unit(number: int, *, keyframe: bool = False, packets: int = 3) -> AccessUnit:
    """A picture of packets that say which they are."""
    payloads = tuple(
        bytes([0x65 if keyframe else 0x41, number & 0xFF, index]) + random.randbytes(900)
        for index in range(packets)
    )
    return AccessUnit(payloads, number * 3600, keyframe, time.monotonic(), sum(map(len, payloads)))


class ScriptedSource:
    """A source whose pictures the test sends by hand."""

    def __init__(self) -> None:
        self.counters = SourceCounters()
        self.sinks: list[Sink] = []
        self.opened = asyncio.Event()

    async def run(self, sink: Sink) -> None:
        sink.on_opened(VideoFormat("h264"))
        self.sinks.append(sink)
        self.opened.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.sinks.remove(sink)

    async def check(self) -> None:
        return None


class Bench:
    """A session manager with one camera, ``c01``."""

    def __init__(self, ice_servers: tuple[IceServer, ...] = ()) -> None:
        self.source = ScriptedSource()
        self.stream = Stream(
            self.source,
            warm=True,
            linger_s=0.0,
            gop=GopCache(limit_bytes=1_000_000, limit_s=10),
            clock=SystemClock(),
        )
        self.limits = Limits()
        self.byes: list[Bye] = []
        self.levels: list[SessionStats] = []
        self.drops = InboundDrops(clock=SystemClock())
        self.sessions = SessionManager(
            find_camera=lambda camera: (
                CameraStreams((("main", self.stream),)) if camera == "c01" else None
            ),
            limits=lambda: self.limits,
            on_ended=self.byes.append,
            on_stats=self.levels.append,
            drops=self.drops,
            ice_servers=lambda: ice_servers,
        )

    async def answer(self, sdp: str, key: SessionKey = KEY, camera: str = "c01") -> str:
        return (await self.sessions.handle_offer(Offer(key, camera, sdp))).sdp

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG_S):
            while not true():  # noqa: ASYNC110 (looks at what has no event)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*ice_servers: IceServer) -> AsyncIterator[Bench]:
    """The session manager at work, with *ice_servers* in its settings."""
    bench = Bench(ice_servers)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bench.stream.pull()), group.create_task(bench.sessions.run())]
        await bench.source.opened.wait()
        try:
            yield bench
        finally:
            for task in tasks:
                task.cancel()


async def watch(bench: Bench, viewer: Viewer) -> None:
    """Connect *viewer* and return when it reads the stream."""
    await viewer.accept(await bench.answer(await viewer.offer()))
    await bench.until(lambda: bench.sessions.sample().sessions == 1)


async def test_without_a_free_descriptor_a_viewer_is_told_so(viewer: Viewer) -> None:
    """503 with its own reason: neither the line nor the TURN server is at fault."""
    async with running() as bench:
        sdp = await viewer.offer()
        with none_free(), pytest.raises(ViewerRejected) as refusal:
            await bench.answer(sdp)

        assert (refusal.value.code, refusal.value.reason) == (503, Reason.DESCRIPTORS_LOW)


async def test_a_newcomer_gets_the_whole_gop_at_once(viewer: Viewer) -> None:
    """Keyframe first, numbers without a gap, stamps 1 ms apart, and the live picture after it."""
    async with running() as bench:
        units = [unit(0, keyframe=True), unit(1), unit(2)]
        for each in units:
            bench.stream.deliver(each)

        await watch(bench, viewer)
        live = unit(3)
        bench.stream.deliver(live)
        packets = await viewer.until(12)

        assert [p.payload for p in packets] == [q for u in [*units, live] for q in u.payloads]
        assert [(p.seq - packets[0].seq) & 0xFFFF for p in packets] == list(range(12))
        stamps = [(p.time - packets[0].time) & 0xFFFFFFFF for p in packets]
        assert stamps == [0] * 3 + [90] * 3 + [180] * 3 + [3780] * 3
        assert [p.marker for p in packets] == [False, False, True] * 4


async def test_what_is_lost_is_sent_again_on_the_rtx_stream(viewer: Viewer) -> None:
    """A NACK brings the packet back with its original number in front (RFC 4588)."""
    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        packets = await viewer.until(3)

        await viewer.send_rtcp(nack(1, packets[0].ssrc, (packets[1].seq,)))
        again = (await viewer.until(4))[3]

        assert again.ssrc != packets[0].ssrc
        assert again.payload_type != packets[0].payload_type
        assert again.payload == packets[1].seq.to_bytes(2, "big") + packets[1].payload
        assert again.time == packets[1].time


async def test_a_lost_picture_is_answered_from_the_cache(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PLI brings the cached keyframe, stamped later than all before."""
    monkeypatch.setattr("gateway.webrtc.rtcp_feedback.KEYFRAME_INTERVAL_S", 0.0)
    async with running() as bench:
        first = unit(0, keyframe=True)
        bench.stream.deliver(first)
        await watch(bench, viewer)
        packets = await viewer.until(3)

        await viewer.send_rtcp(pli(1, packets[0].ssrc))
        packets = await viewer.until(6)

        assert [p.payload for p in packets[3:]] == list(first.payloads)
        assert packets[3].time > packets[2].time
        assert packets[3].seq == (packets[2].seq + 1) & 0xFFFF


async def test_a_viewer_is_reported_to_every_fifth_tick(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its stream, with what was sent so far, not oftener than RFC 3550 says."""
    monkeypatch.setattr("gateway.webrtc.ticker.TICK_S", 0.02)
    reports: asyncio.Queue[SenderReport] = asyncio.Queue(maxsize=100)

    async def record(datagram: bytes) -> None:
        for said in parse_compound(datagram):
            if isinstance(said, SenderReport):
                reports.put_nowait(said)

    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        monkeypatch.setattr(viewer.transport, "_handle_rtcp_data", record)
        packets = await viewer.until(3)

        async with asyncio.timeout(HANG_S):
            first, second = await reports.get(), await reports.get()

        assert (first.ssrc, first.packets, first.octets) == (packets[0].ssrc, 3, 2709)
        assert second.ntp_64 - first.ntp_64 > 4.5 * 0.02 * 2**32
        assert second.rtp_time - first.rtp_time == pytest.approx(
            (second.ntp_64 - first.ntp_64) / 2**32 * 90_000, abs=90
        )


async def test_the_same_offer_again_gets_the_same_answer(viewer: Viewer) -> None:
    """A console that sends an offer twice opens one session."""
    async with running() as bench:
        offer = await viewer.offer()

        first, second = await asyncio.gather(bench.answer(offer), bench.answer(offer))

        assert first == second
        assert bench.sessions.session_count == 1


async def test_the_relay_comes_in_behind_any_number_of_other_candidates(viewer: Viewer) -> None:
    """A browser with many networks trickles TCP, names and containers first; in an offer too."""
    useless = [f"1 1 tcp 1518280447 203.0.113.{n} 9 typ host tcptype active" for n in range(60)]
    relay = "9 1 udp 16777215 127.0.0.9 3478 typ relay"  # loopback: is refused, and not sent to
    listed = "".join(f"a=candidate:{line}\r\n" for line in useless)
    async with running() as bench:
        offer = await viewer.offer()
        early = Candidates(KEY, tuple(RemoteCandidate(line, "0") for line in useless))
        await bench.sessions.handle_candidates(early)
        answer = await bench.answer(offer.replace("a=mid:0", f"{listed}a=mid:0"))
        (session,) = bench.sessions._sessions.values()
        for line in (*useless, relay, relay.replace("127.0.0.9", own_address())):
            await bench.sessions.handle_candidates(Candidates(KEY, (RemoteCandidate(line, "0"),)))
        await viewer.accept(answer)
        await bench.until(lambda: bench.sessions.sample().sessions == 1)

        assert session._candidates.looked_at > 180
        assert "relay" in {each.type for each in session._transport._ice.getRemoteCandidates()}


async def test_a_viewer_who_closes_leaves_nothing(viewer: Viewer) -> None:
    """The session ends, the stream has no reader, and the same id is refused from then on."""
    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        offer = viewer.peer.localDescription.sdp

        await viewer.peer.close()
        await bench.until(lambda: bench.sessions.session_count == 0)

        assert bench.stream.readers == 0
        assert bench.byes == [Bye(KEY, "closed")]
        with pytest.raises(ViewerRejected) as refusal:
            await bench.answer(offer)
        assert refusal.value.code == 410


async def test_a_silent_viewer_is_let_go(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word for the silence time the session ends by itself."""
    monkeypatch.setattr("gateway.webrtc.ticker.TICK_S", 0.05)
    async with running() as bench:
        await watch(bench, viewer)

        monkeypatch.setattr("gateway.webrtc.session_timeouts.SILENCE_S", 0.2)
        await bench.until(lambda: bench.sessions.session_count == 0)

        assert bench.byes == [Bye(KEY, "silence")]


async def test_a_viewer_who_takes_its_consent_back_is_let_go(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may still be there and talk: without answers to our checks nothing more is sent."""
    monkeypatch.setattr("gateway.webrtc.ticker.TICK_S", 0.01)
    async with running() as bench:
        await watch(bench, viewer)
        ice = viewer.transport.transport._connection

        monkeypatch.setattr(ice, "request_received", lambda *_: None)
        monkeypatch.setattr("gateway.webrtc.consent.EXPIRY_S", 0.3)
        await bench.until(lambda: bench.sessions.session_count == 0)

        assert bench.byes == [Bye(KEY, "closed")]


async def test_a_bye_ends_the_session(viewer: Viewer) -> None:
    """The viewer's own bye is not answered with another."""
    async with running() as bench:
        await watch(bench, viewer)

        bench.sessions.handle_bye(Bye(KEY, "viewer"))
        await bench.until(lambda: bench.sessions.session_count == 0)

        assert bench.byes == []


async def test_a_bye_during_set_up_ends_it(viewer: Viewer) -> None:
    """A viewer who leaves before ICE is through is let go at once."""
    async with running() as bench:
        await bench.answer(await viewer.offer())

        bench.sessions.handle_bye(Bye(KEY, "viewer"))

        await bench.until(lambda: bench.sessions.session_count == 0)


async def test_the_limit_of_viewers_holds(viewer: Viewer) -> None:
    """One more than allowed is refused with 486, the first is unharmed."""
    async with running() as bench:
        bench.limits = Limits(viewers=1)
        await watch(bench, viewer)

        with pytest.raises(ViewerRejected) as refusal:
            await bench.answer(viewer.peer.localDescription.sdp, SessionKey("v-other", "session-2"))

        assert refusal.value.code == 486
        assert bench.sessions.session_count == 1


async def test_an_unknown_camera_is_refused(viewer: Viewer) -> None:
    """404, and nothing is left of the attempt."""
    async with running() as bench:
        offer = await viewer.offer()

        with pytest.raises(ViewerRejected) as refusal:
            await bench.answer(offer, camera="c99")

        assert refusal.value.code == 404
        assert bench.sessions.session_count == 0


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x16",
        bytes([22]) + bytes(200),  # a DTLS handshake record
        b"\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x02\x28",  # a DTLS alert
        bytes([0x80, 200]) + bytes(26),
        b"\xff" * 64,
        bytes(2000),
    ],
    ids=["empty", "short", "handshake", "alert", "rtcp", "junk", "oversized"],
)
async def test_a_strangers_datagram_changes_nothing(viewer: Viewer, datagram: bytes) -> None:
    """Whatever an outsider throws at the port, the call goes on."""
    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        await viewer.until(3)
        pair = viewer.transport.transport._connection._nominated[1]
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(pair.local_addr[0], 0)
        )

        for _ in range(20):
            stranger.sendto(datagram, pair.remote_addr)
        bench.stream.deliver(unit(1))
        packets = await viewer.until(6)

        assert packets[5].payload[1] == 1
        assert viewer.peer.connectionState == "connected"
        stranger.close()


async def test_a_strangers_malformed_stun_is_counted_and_logged_once(
    viewer: Viewer, caplog: pytest.LogCaptureFixture
) -> None:
    """It raised in aioice: a traceback each, 630 kB of log a second; and DTLS got the rest."""
    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        await viewer.until(3)
        pair = viewer.transport.transport._connection._nominated[1]
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(pair.local_addr[0], 0)
        )
        head = b"\x00\x01\x00\x04\x21\x12\xa4\x42" + bytes(12)

        with capture_logs() as lines:
            for _ in range(100):
                stranger.sendto(head + b"\x00\x24\x00\x00", pair.remote_addr)
            await bench.until(lambda: bench.drops.counts["stun_shape"] == 100)
        bench.stream.deliver(unit(1))
        packets = await viewer.until(6)

        assert packets[5].payload[1] == 1
        assert [line["event"] for line in lines] == ["inbound_dropped"]
        assert not [record for record in caplog.records if record.levelname == "ERROR"]
        stranger.close()


async def test_a_viewers_flood_of_nacks_is_cut_off(viewer: Viewer) -> None:
    """Beyond its budget nothing is examined, and the picture goes on."""
    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        await viewer.until(3)
        everything = struct.pack("!BBHII", 0x81, 205, 122, 1, 2) + b"\x00\x00\xff\xff" * 120

        for _ in range(20):
            await viewer.send_rtcp(everything)
        await bench.until(lambda: bench.drops.counts["feedback_budget"] > 0)
        bench.stream.deliver(unit(1))
        await viewer.until(6)

        (session,) = bench.sessions._sessions.values()
        assert session._feedback is not None
        assert session._feedback.items < 20 * 2_040
        assert viewer.peer.connectionState == "connected"


@pytest.mark.parametrize("where", ["send_unit", "sender_info"], ids=["a unit", "a tick"])
async def test_an_unexpected_error_ends_one_session_and_nothing_else(
    viewer: Viewer, contained_bugs: BugCounts, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The viewer is told, the camera goes on, and the next viewer is served."""
    monkeypatch.setattr("gateway.webrtc.ticker.TICK_S", 0.02)

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(RtpSender, where, fail)
            await viewer.accept(await bench.answer(await viewer.offer()))
            await bench.until(lambda: bool(bench.byes))
        other = Viewer(RTCPeerConnection(RTCConfiguration(iceServers=[])))
        try:
            key = SessionKey("v-two", "session-2")
            await other.accept(await bench.answer(await other.offer(), key))
            assert len(await other.until(3)) == 3
        finally:
            await other.peer.close()

    assert [(bye.key, bye.why) for bye in bench.byes[:1]] == [(KEY, "error")]
    assert contained_bugs.counts.keys() == {"session"}


async def test_a_viewer_is_told_what_it_is_sent_and_why(viewer: Viewer) -> None:
    """Once the line has lost too much: keyframes only, and that the line is narrow."""
    async with running() as bench:
        bench.stream.deliver(unit(0, keyframe=True))
        await watch(bench, viewer)
        await viewer.until(3)
        for number in range(1, 60):
            bench.stream.deliver(unit(number))
        media = (await viewer.until(100))[0]

        first = media.seq - 1
        for each in range(1, 4):
            lost = ReceiverReport(1, media.ssrc, 0, 50 * each, first + 58 * each, 0, 0, 0)
            await viewer.send_rtcp(receiver_report(1, "v", lost))
            await asyncio.sleep(WINDOW_S)
        await bench.until(lambda: bool(bench.levels))

        told = bench.levels[0]
        assert (told.key, told.level, told.why) == (KEY, ViewLevel.KEYFRAMES, Reason.LINE_NARROW)
        assert bench.sessions.sample().narrow == 1
