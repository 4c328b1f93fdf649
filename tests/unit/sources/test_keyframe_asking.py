"""When a camera is asked for keyframes, how often, and that nothing else notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.demo.encoder import EncoderSettings, LiveFootage
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from gateway.model.errors import SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.media import ClockReading, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import AskableSource, KeyframeSource, Sink
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.bugs import bug_counts
from gateway.runtime.clock import SystemClock
from gateway.sources.camera_access import CameraAccess
from gateway.sources.keyframe_asking import (
    LEAST_S,
    LONGEST_S,
    REFUSED_S,
    AskingPace,
    AskingSource,
)
from gateway.sources.keyframe_requests import keyframe_request, keyframe_url
from gateway.sources.registry import url_policy
from gateway.sources.rtsp_source import RtspSource
from gateway.streams.gop_cache import GopCache
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.http_camera import http_camera
from tests.fixtures.sinks import RecordingSink

REFUSED = SourceRefused(Reason.AUTH_FAILED, "no")
AWAY = SourceUnavailable(Reason.TIMEOUT, "away")


class OpenSource:
    """Open until told to break."""

    def __init__(self) -> None:
        self.counters = SourceCounters()
        self.broken = asyncio.Event()

    async def run(self, sink: Sink) -> None:
        sink.on_opened(VideoFormat("h264"))
        await self.broken.wait()
        raise SourceStalled(Reason.STALLED, "told to")

    async def check(self) -> None:
        return None


class Request:
    """Answers with *outcomes*, one after the other; the last one stays."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.clock = FakeClock()
        self.asked_s: list[float] = []
        self.clock_reading: ClockReading | None = None

    @property
    def asked(self) -> int:
        return len(self.asked_s)

    async def ask(self) -> None:
        self.asked_s.append(self.clock.now())
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome is not None:
            raise outcome


class Scene:
    """A source that is run, and what asks its camera."""

    def __init__(self, request: Request, gate: asyncio.Lock | None = None) -> None:
        self.clock = request.clock
        self.request = request
        self.inner = OpenSource()
        self.keyframe_s: float | None = None
        self.source = AskingSource(
            self.inner, request, gate=gate or asyncio.Lock(), name="c1/main", clock=self.clock
        )

    async def want(self) -> None:
        """Want a keyframe, and return once that has come to nothing or to a request."""
        self.source.want_keyframe(lambda: self.keyframe_s)
        async with asyncio.timeout(HANG_S):
            while self.source.wanted:  # noqa: ASYNC110 (the clock is moved by the source)
                await asyncio.sleep(0)


@asynccontextmanager
async def running(*outcomes: Exception | None) -> AsyncIterator[Scene]:
    scene = Scene(Request(*outcomes))
    pulling = asyncio.create_task(scene.source.run(RecordingSink()))
    await asyncio.sleep(0)
    yield scene
    scene.inner.broken.set()
    with pytest.raises(SourceStalled):
        await pulling


async def test_a_camera_is_asked_and_that_is_counted() -> None:
    """In the source's counters, which health reports."""
    async with running(None) as scene:
        await scene.want()

        counters = scene.source.counters
        assert scene.request.asked == 1
        assert (counters.keyframe_requests, counters.keyframe_failures) == (1, 0)


async def test_it_is_asked_again_after_a_pause_only() -> None:
    """However many want one; and not at all if a keyframe has come meanwhile."""
    async with running(None) as scene:
        await scene.want()
        scene.keyframe_s = scene.clock.now()
        await scene.want()
        first_s, second_s = scene.request.asked_s
        assert second_s >= first_s + LEAST_S

        scene.source.want_keyframe(lambda: scene.clock.now())
        await scene.want()
        assert scene.request.asked == 2


async def test_what_fails_is_told_once_and_asked_less_and_less() -> None:
    """Another cause is told; that it works again too."""
    async with running(AWAY, AWAY, AWAY, REFUSED, None) as scene:
        with capture_logs() as logs:
            for _ in range(5):
                await scene.want()

        events = [(each["event"], each.get("reason")) for each in logs]
        assert events == [
            ("keyframe_request_failed", Reason.TIMEOUT),
            ("keyframe_request_failed", Reason.AUTH_FAILED),
            ("keyframe_requests_work", None),
        ]
        counters = scene.source.counters
        assert (counters.keyframe_requests, counters.keyframe_failures) == (1, 4)


def test_pauses_grow_while_it_does_not_help() -> None:
    """A camera that agrees and sends none, one that is away, one that refuses us."""
    pace, pauses, now_s = AskingPace(), [], 100.0
    for _ in range(9):
        pace.on_agreed(now_s, 50.0)
        pauses.append(pace.next_s - now_s)
        now_s = pace.next_s
    assert pauses[:4] == [LEAST_S, 2 * LEAST_S, 4 * LEAST_S, 8 * LEAST_S]
    assert pauses[-1] == LONGEST_S

    pace.on_agreed(now_s, now_s)
    assert pace.next_s - now_s == LEAST_S
    pace.on_failed(now_s, SourceUnavailable(Reason.BUSY_SESSIONS, "", pause_s=30.0))
    assert pace.next_s - now_s == 30.0
    pace.on_failed(now_s, REFUSED)
    assert pace.next_s - now_s == REFUSED_S


async def test_a_device_is_asked_one_thing_at_a_time() -> None:
    """Its streams share a gate."""
    gate = asyncio.Lock()
    scenes = [Scene(Request(None), gate) for _ in range(4)]
    async with gate, asyncio.TaskGroup() as group:
        pulls = [group.create_task(each.source.run(RecordingSink())) for each in scenes]
        for each in scenes:
            each.source.want_keyframe(lambda: None)
        for _ in range(20):
            await asyncio.sleep(0)
        assert sum(each.request.asked for each in scenes) == 0
        for pull in pulls:
            pull.cancel()


@pytest.mark.usefixtures("contained_bugs")
async def test_a_bug_in_a_request_ends_that_request() -> None:
    """The camera is watched as before."""
    before = bug_counts().get("camera", 0)
    async with running(ZeroDivisionError()) as scene:
        await scene.want()

        assert scene.source.counters.keyframe_failures == 1
    assert bug_counts().get("camera", 0) == before + 1


async def test_pictures_that_are_thrown_away_make_a_keyframe_wanted() -> None:
    """After a broken keyframe all are, until the next; no reader sees that."""
    async with running(None) as scene:
        async with asyncio.timeout(HANG_S):
            while not scene.request.asked:
                scene.inner.counters.discarded += 1
                await asyncio.sleep(0)


async def test_it_is_no_source_that_makes_keyframes_itself() -> None:
    """That is what decides whether a viewer is sent the cached GOP at once."""
    source = Scene(Request(None)).source

    assert isinstance(source, AskableSource)
    assert not isinstance(source, KeyframeSource)


async def test_the_encoder_of_a_real_camera_sends_one_when_asked() -> None:
    """With a GOP of an hour: the first to whoever joins, the next on request."""
    settings = EncoderSettings("h264", 320, 180, gop_s=3600)
    camera = VirtualCamera("c", LiveFootage("c", settings), behaviour=Behaviour(join="middle"))
    async with Recorder([camera]) as recorder:
        loop = recorder.video_loops[camera.path]
        asked: list[str] = []

        async def handle(request: web.Request) -> web.StreamResponse:
            asked.append(f"{request.method} {request.path}")
            loop.request_keyframe()
            return web.Response(text="<ResponseStatus/>")

        async with http_camera(handle) as port:
            stream_config = StreamConfig.model_validate(
                {
                    "url": recorder.url(camera),
                    "keyframe_requests": "isapi",
                    "keyframe_url": f"http://127.0.0.1:{port}/101",
                }
            )
            keyframes, stream = await _watch(stream_config, recorder.port, port)

    assert keyframes == 2
    assert asked == ["PUT /101"] * 2
    assert stream.counters.keyframe_requests == 2


def test_a_camera_that_does_not_tell_its_time_may_tell_it_where_it_is_asked() -> None:
    """What comes with the pictures is better, and counts."""
    scene = Scene(Request(None))
    assert scene.source.clock_reading is None
    scene.request.clock_reading = ClockReading(1_795_875_476.0, 5.0)
    assert scene.source.clock_reading == scene.request.clock_reading


async def _watch(config: StreamConfig, rtsp_port: int, http_port: int) -> tuple[int, Stream]:
    """Watch until a second keyframe has come; return how many have, and the stream."""
    clock = SystemClock()
    policy = url_policy((ip_network("127.0.0.0/8"),), (rtsp_port, http_port), opened=("http",))
    camera = CameraConfig(id="c1", name="c", streams=(config,))
    limiter = LoginLimiter(clock)
    access = CameraAccess(
        camera, keyframe_url(config), password=None, policy=policy, login_limiter=limiter
    )
    inner = RtspSource(
        camera, config, password=None, policy=policy, login_limiter=limiter,
        payload_bytes=1180, clock=clock,
    )  # fmt: skip
    source = AskingSource(
        inner, keyframe_request(access, config, clock), gate=asyncio.Lock(), name="c", clock=clock
    )
    gop = GopCache(limit_bytes=1_000_000, limit_s=60)
    stream = Stream(source, warm=False, linger_s=0, gop=gop, clock=clock)
    seen, second = [], asyncio.Event()

    def take(unit: object) -> bool:
        seen.append(getattr(unit, "keyframe", False))
        if sum(seen) == 1 and not source.wanted:
            stream.want_keyframe()
        if sum(seen) == 2:
            second.set()
        return True

    stream.attach(Reader(take))
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        pulling = group.create_task(stream.pull())
        await second.wait()
        pulling.cancel()
    return sum(seen), stream
