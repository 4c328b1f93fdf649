"""A camera's stream as a source: counters, timeline and login live on from run to run."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import replace

import pytest
from pydantic import SecretStr

from gateway.model.errors import (
    GatewayError,
    PermanentError,
    SourceRefused,
    SourceStalled,
    SourceUnavailable,
    TransientError,
)
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.sources.absence import ABSENT_S
from gateway.sources.marker_trust import MarkerTrust
from gateway.sources.rtsp_source import RtspSource
from tests.fixtures import camera_cases
from tests.fixtures.camera_sender import is_set, pictures
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.sinks import RecordingSink
from tests.unit.rtsp.scripted import CLOCK, SDP, Camera, Request, camera, packet, willing

SETS = (b"\x67\x42\xc0\x1e", b"\x68\xce\x3c\x80")


def source(made: Camera, url: str = "", **changes: object) -> RtspSource:
    stream = StreamConfig.model_validate({"url": url or made.url, "stall_s": 60} | changes)
    config = CameraConfig(id="c1", name="Quầy 7", username="u", streams=(stream,))
    pulled = RtspSource(
        config,
        stream,
        password=SecretStr("canary-pw-32"),
        policy=made.policy,
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1180,
        clock=CLOCK,
    )
    pulled._markers.confirm()  # so that a picture needs no other behind it
    return pulled


def picture(made: Camera, seq: int, time: int) -> None:
    """Send one keyframe."""
    for offset, nal in enumerate((*SETS, b"\x65\x88\x84")):
        made.send(packet(seq + offset, time, marker=offset == len(SETS), nal=nal))


async def test_pictures_come_out_and_time_goes_on_across_runs() -> None:
    """A camera that hangs up and starts its time anew leaves one growing timeline."""
    sink = RecordingSink()

    async with asyncio.timeout(HANG_S), camera() as made:
        pulled = source(made)
        for start in (90_000, 5):
            made.played.clear()
            sink.enough.clear()
            running = asyncio.create_task(pulled.run(sink))
            await made.played.wait()
            picture(made, 1, start)
            await sink.enough.wait()
            made.writers[-1].close()
            with pytest.raises(SourceStalled):
                await running

    first, second = sink.units
    assert first.keyframe
    assert second.time_90k > first.time_90k
    assert (len(sink.formats), pulled.counters.sessions, pulled.counters.units) == (2, 2, 2)


async def test_leaving_is_done_when_run_returns() -> None:
    """The camera has TEARDOWN in hand before anybody could enter again."""
    async with asyncio.timeout(HANG_S), camera() as made:
        running = asyncio.create_task(source(made).run(RecordingSink()))
        await made.played.wait()
        running.cancel()
        await asyncio.wait([running])

        assert made.methods[-1] == "TEARDOWN"


async def test_a_check_does_not_open_a_session() -> None:
    """OPTIONS and DESCRIBE only."""
    async with asyncio.timeout(HANG_S), camera() as made:
        await source(made).check()

        assert made.methods == ["OPTIONS", "DESCRIBE"]


async def test_a_forbidden_place_is_never_connected_to() -> None:
    """The policy comes before the first packet."""
    async with asyncio.timeout(HANG_S), camera() as made:
        with pytest.raises(SourceRefused) as caught:
            await source(made, url="rtsp://127.0.0.1:1883/").run(RecordingSink())

        assert caught.value.reason is Reason.POLICY_DENIED
        assert made.connections == 0


async def test_the_last_good_address_is_used_while_dns_is_dead() -> None:
    """A name that was resolved once is enough (B5)."""
    alive = True

    def resolver(_: str) -> list[str]:
        if not alive:
            raise OSError(-3, "Temporary failure in name resolution")
        return ["127.0.0.1"]

    async with asyncio.timeout(HANG_S), camera() as made:
        pulled = source(made, url=f"rtsp://cam.lan:{made.port}/x")
        pulled._access._policy = replace(made.policy, resolver=resolver)
        await pulled.check()
        alive = False
        await pulled.check()

        assert made.connections == 2


async def test_no_password_in_what_a_refusal_says() -> None:
    """Error, cause and camera's log all lack it."""

    def refusing(request: object) -> bytes:
        return willing(request).replace(b"200 Said", b"503 Said")  # type: ignore[arg-type]

    async with asyncio.timeout(HANG_S), camera(refusing) as made:
        with pytest.raises(SourceUnavailable) as caught:
            await source(made).check()

    assert "canary" not in repr(caught.value) + str(caught.value.__cause__)


async def refused(pulled: RtspSource) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await pulled.run(RecordingSink())
    return caught.value


def absent(request: Request) -> bytes:
    return request.answer(404) if request.method == "DESCRIBE" else willing(request)


async def test_a_path_that_is_not_there_yet_is_looked_for_again_soon() -> None:
    """A recorder that starts says so for some seconds; after a minute it is left alone."""
    clock = FakeClock()
    async with asyncio.timeout(HANG_S), camera(absent) as made:
        pulled = source(made)
        pulled._clock = clock
        first = await refused(pulled)
        clock.time_s += ABSENT_S - 1
        later = await refused(pulled)
        clock.time_s += 1
        last = await refused(pulled)

    assert [error.reason for error in (first, later, last)] == [Reason.NOT_FOUND] * 3
    assert isinstance(first, TransientError)
    assert isinstance(later, TransientError)
    assert isinstance(last, PermanentError)


async def test_the_minute_begins_anew_when_the_camera_was_away_or_there() -> None:
    """It has been restarted."""
    clock = FakeClock()
    script = [absent]
    async with asyncio.timeout(HANG_S), camera(lambda request: script[0](request)) as made:
        pulled = source(made)
        pulled._clock = clock
        errors = []
        for between in (willing, lambda request: request.answer(503)):
            script[0] = absent
            await refused(pulled)
            clock.time_s += 10 * ABSENT_S
            script[0] = between
            with contextlib.suppress(GatewayError):
                await pulled.check()
            script[0] = absent
            errors.append(await refused(pulled))

    assert all(isinstance(error, TransientError) for error in errors)


@pytest.mark.parametrize("name", camera_cases.NAMES)
async def test_a_clip_plays_to_its_end_over_a_whole_conversation(name: str) -> None:
    """All pictures, with the last when the camera says goodbye; that is told as what it is."""
    sdp = (camera_cases.FOLDER / f"{name}.sdp").read_text()
    description = camera_cases.description_of(name)

    def script(request: Request) -> bytes:
        if request.method == "DESCRIBE":
            return request.answer(body=sdp, Content_Type="application/sdp")
        return willing(request)

    sink = RecordingSink()
    async with asyncio.timeout(HANG_S), camera(script) as made:
        pulled = source(made)
        pulled._markers = MarkerTrust()
        running = asyncio.create_task(pulled.run(sink))
        await made.played.wait()
        packets = camera_cases.packets_of(name)
        for packet in packets:
            made.send(packet)
        made.send(struct.pack("!BBH", 0x81, 203, 1) + packets[-1][8:12], 1)
        with pytest.raises(SourceStalled) as caught:
            await running

    assert caught.value.reason is Reason.SOURCE_ENDED
    assert camera_cases.outcome_of(sink.units, description.video.codec) == camera_cases.WHOLE
    assert pulled.counters.lost == 0


@pytest.mark.parametrize("described", ["H265", "H264"])
async def test_a_codec_that_is_described_wrongly_is_played_as_it_comes(described: str) -> None:
    """Opened once more, at once; from then on the camera is taken to send what it has sent."""
    sink = RecordingSink()
    sends: Codec = "h264" if described == "H265" else "h265"
    sets = [nal for nal in pictures(sends)[0] if is_set(sends, nal)]

    def script(request: Request) -> bytes:
        if request.method == "DESCRIBE":
            body = SDP.replace("H264", described)
            return request.answer(body=body, Content_Type="application/sdp")
        return willing(request)

    async with asyncio.timeout(HANG_S), camera(script) as made:
        pulled = source(made)
        running = asyncio.create_task(pulled.run(sink))
        for _ in range(2):
            await made.played.wait()
            made.played.clear()
            for seq, nal in enumerate((*sets, *pictures(sends)[0][len(sets) :])):
                made.send(packet(seq, 90_000, marker=seq == len(sets), nal=nal))
        await sink.enough.wait()
        running.cancel()
        await asyncio.wait([running])

    assert [video.codec for video in sink.formats] == [described.lower(), sends]
    assert [unit.keyframe for unit in sink.units] == [True]
