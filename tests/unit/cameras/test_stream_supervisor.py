"""One stream's life under a source that does as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.cameras.stream_supervisor import PARK_AFTER_BUG_S, WATCHED_RETRY_S, StreamSupervisor
from gateway.model.errors import SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.media import SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import StreamConfig
from gateway.ports import Sink
from gateway.runtime.bugs import BugCounts
from gateway.streams.gop_cache import GopCache
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S, FakeClock

UNREACHABLE = SourceUnavailable(Reason.UNREACHABLE, "no route")
REFUSED = SourceRefused(Reason.AUTH_FAILED, "wrong password", park_s=1800.0)


class Source:
    """Fails with what is put in, and otherwise stays open."""

    def __init__(self) -> None:
        self.counters = SourceCounters()
        self.fails: list[Exception] = []
        self.checks = 0
        self.runs = 0
        self.sink: Sink | None = None
        self.broken = asyncio.Event()
        self.wants = 0

    def want_keyframe(self, newest_s: Callable[[], float | None]) -> None:  # noqa: ARG002
        self.wants += 1

    async def run(self, sink: Sink) -> None:
        self.runs += 1
        if self.fails:
            raise self.fails.pop(0)
        sink.on_opened(VideoFormat("h264"))
        self.sink = sink
        try:
            await self.broken.wait()
            self.broken.clear()
            raise SourceStalled(Reason.STALLED, "no packets")
        finally:
            self.sink = None

    async def check(self) -> None:
        self.checks += 1
        if self.fails:
            raise self.fails.pop(0)


class SupervisedStream:
    """A supervisor with its parts."""

    def __init__(
        self, *, warm: bool = False, probe_when_idle: bool = True, stall_s: float = 5.0
    ) -> None:
        self.clock = FakeClock()
        self.source = Source()
        self.stream = Stream(
            self.source,
            warm=warm,
            linger_s=0.0,
            gop=GopCache(limit_bytes=10_000, limit_s=10.0),
            clock=self.clock,
        )
        config = StreamConfig(url="rtsp://10.0.0.1/main", stall_s=stall_s)
        self.supervisor = StreamSupervisor(
            "c01/main",
            config,
            self.stream,
            probe_when_idle=probe_when_idle,
            delay_s=0.0,
            clock=self.clock,
        )
        self.reader = Reader(lambda _unit: True)

    def reason(self) -> Reason:
        return self.supervisor.state()[0]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG_S):
            while not true():  # noqa: ASYNC110 (one turn of the loop at a time)
                await asyncio.sleep(0)


@asynccontextmanager
async def running(supervised: SupervisedStream) -> AsyncIterator[SupervisedStream]:
    """The supervisor at work."""
    task = asyncio.create_task(supervised.supervisor.run())
    try:
        yield supervised
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_idle_camera_is_asked_whether_it_would_play() -> None:
    """IDLE means ready, not unknown; no RTSP session is opened for it."""
    async with running(SupervisedStream()) as supervised:
        await supervised.until(lambda: supervised.reason() is Reason.IDLE)

        assert (supervised.source.checks, supervised.source.runs) == (1, 0)


async def test_the_first_reader_opens_it_and_the_last_one_closes_it() -> None:
    """IDLE, CONNECTING until a picture comes, OK, and IDLE again."""
    async with running(SupervisedStream()) as supervised:
        await supervised.until(lambda: supervised.reason() is Reason.IDLE)

        supervised.stream.attach(supervised.reader)
        await supervised.until(lambda: supervised.source.sink is not None)
        assert supervised.reason() is Reason.CONNECTING
        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))
        assert supervised.reason() is Reason.OK

        supervised.stream.detach(supervised.reader)
        await supervised.until(lambda: supervised.reason() is Reason.IDLE)
        assert supervised.source.sink is None


async def test_trouble_is_told_with_its_reason_and_counted() -> None:
    """Code, detail, attempts and the time of the next one."""
    supervised = SupervisedStream(warm=True)
    supervised.source.fails = [UNREACHABLE, UNREACHABLE]
    async with running(supervised):
        await supervised.until(lambda: supervised.source.sink is not None)

        assert supervised.reason() is Reason.UNREACHABLE
        assert supervised.supervisor.detail == "no route"
        assert supervised.supervisor.attempts == 2
        assert len(supervised.clock.slept) == 3  # the first is the pause before the first look

        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))
        assert supervised.reason() is Reason.OK
        assert supervised.supervisor.attempts == 0


async def test_a_stalled_camera_is_pulled_again_by_itself() -> None:
    """Its readers stay, and wait for the next keyframe."""
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.stream.attach(supervised.reader)

        supervised.source.broken.set()
        await supervised.until(lambda: supervised.source.runs == 2)

        assert supervised.stream.readers == 1


async def test_a_refusal_parks_it() -> None:
    """It is left alone for as long as the refusal says, and not at once tried again."""
    supervised = SupervisedStream(warm=True)
    supervised.source.fails = [REFUSED]
    async with running(supervised):
        await supervised.until(lambda: 1800.0 in supervised.clock.slept)

        assert supervised.reason() is Reason.AUTH_FAILED
        await supervised.until(lambda: supervised.source.runs == 2)


async def test_a_parked_stream_ends_when_it_is_cancelled() -> None:
    """A configuration that removes a parked camera must not end the program."""
    supervised = SupervisedStream(warm=True)
    supervised.source.fails = [SourceRefused(Reason.POLICY_DENIED, "not here")]
    async with running(supervised):  # whose end asserts a plain CancelledError
        await supervised.until(lambda: supervised.supervisor.parked)


async def test_a_parked_stream_can_be_restarted() -> None:
    """The command of the centre, after somebody has mended the camera."""
    supervised = SupervisedStream(warm=True)
    supervised.source.fails = [SourceRefused(Reason.POLICY_DENIED, "not here")]
    async with running(supervised):
        await supervised.until(lambda: supervised.supervisor.parked)

        supervised.supervisor.restart()

        await supervised.until(lambda: supervised.source.sink is not None)


async def test_an_unreachable_idle_camera_is_known_as_such() -> None:
    """The centre learns it before anybody needs the picture."""
    supervised = SupervisedStream()
    supervised.source.fails = [UNREACHABLE]
    async with running(supervised):
        await supervised.until(lambda: supervised.reason() is Reason.UNREACHABLE)

        assert supervised.supervisor.again_at_s is not None


async def test_no_keyframe_is_not_a_dead_stream() -> None:
    """KEYFRAME_STARVED after the configured time, while pictures flow; the camera is asked."""
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.clock.time_s += 16
        supervised.stream.deliver(access_unit(0, arrived_s=supervised.clock.now()))
        before = supervised.source.wants

        assert supervised.reason() is Reason.KEYFRAME_STARVED
        assert supervised.source.wants == before + 1

        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(1, keyframe=True, arrived_s=supervised.clock.now()))
        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(2, arrived_s=supervised.clock.now()))
        assert supervised.reason() is Reason.OK


@pytest.mark.parametrize("warm", [False, True], ids=["checked", "pulled"])
async def test_an_unexpected_error_parks_the_camera_for_a_minute(
    contained_bugs: BugCounts, *, warm: bool
) -> None:
    """Then it is tried again; nothing else ends."""
    supervised = SupervisedStream(warm=warm)
    supervised.source.fails = [RuntimeError("a bug")]
    async with running(supervised):
        await supervised.until(lambda: supervised.source.checks + supervised.source.runs >= 2)

        assert PARK_AFTER_BUG_S in supervised.clock.slept
    assert dict(contained_bugs.counts) == {"camera": 1}


async def test_a_watched_camera_is_tried_every_few_seconds_however_long_it_is_away() -> None:
    """So it is back on the screen within 12 s, while somebody is looking."""
    supervised = SupervisedStream()
    supervised.source.fails = [UNREACHABLE] * 40
    supervised.stream.attach(supervised.reader)
    async with running(supervised):
        await supervised.until(lambda: supervised.source.runs > 40)

    assert max(supervised.clock.slept) <= WATCHED_RETRY_S


async def test_an_unwatched_camera_is_tried_more_and_more_rarely() -> None:
    """A warm one that nobody looks at."""
    supervised = SupervisedStream(warm=True)
    supervised.source.fails = [UNREACHABLE] * 40
    async with running(supervised):
        await supervised.until(lambda: supervised.source.runs > 40)

    assert max(supervised.clock.slept) > 40


async def test_whoever_begins_to_watch_does_not_wait_for_the_rest_of_a_pause() -> None:
    """The pause of a warm camera that has been away for long ends when a reader comes."""
    supervised = SupervisedStream(warm=True)
    supervised.source.fails = [UNREACHABLE] * 40
    clock = supervised.clock
    hold = asyncio.Event()

    async def sleep(delay_s: float) -> None:
        clock.slept.append(delay_s)
        clock.time_s += delay_s
        await (hold.wait() if delay_s > 30 else asyncio.sleep(0))

    clock.sleep = sleep  # type: ignore[method-assign]
    async with running(supervised):
        await supervised.until(lambda: bool(clock.slept) and clock.slept[-1] > 30)
        runs = supervised.source.runs
        supervised.stream.attach(supervised.reader)

        await supervised.until(lambda: supervised.source.runs > runs)


async def test_what_a_recorder_asks_for_is_waited_also_while_somebody_watches() -> None:
    """A recorder without a free session is left alone for as long as it takes."""
    supervised = SupervisedStream()
    supervised.source.fails = [SourceUnavailable(Reason.OVERLOADED, "453", pause_s=60.0)]
    supervised.stream.attach(supervised.reader)
    async with running(supervised):
        await supervised.until(lambda: supervised.source.runs > 1)

    assert max(supervised.clock.slept) == 60.0


async def test_a_camera_that_is_gone_is_not_told_as_starved() -> None:
    """Long after its last keyframe too, and though it may be silent for longer than that."""
    supervised = SupervisedStream(warm=True, stall_s=120.0)
    async with running(supervised):
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))
        assert supervised.reason() is Reason.OK

        supervised.clock.time_s += 1
        supervised.source.fails = [UNREACHABLE] * 100
        supervised.source.broken.set()
        last_s = supervised.clock.now() + 100
        reasons = set()
        while supervised.clock.now() < last_s:
            await asyncio.sleep(0)
            reasons.add(supervised.reason())

    assert reasons == {Reason.STALLED, Reason.UNREACHABLE}


async def test_a_camera_that_is_opened_anew_is_not_told_as_starved() -> None:
    """Its last keyframe is of the session before."""
    supervised = SupervisedStream(stall_s=120.0)
    async with running(supervised):
        supervised.stream.attach(supervised.reader)
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))
        supervised.clock.time_s += 1
        supervised.stream.detach(supervised.reader)
        await supervised.until(lambda: supervised.reason() is Reason.IDLE)

        supervised.clock.time_s += 60
        supervised.source.fails = [UNREACHABLE] * 100
        supervised.stream.attach(supervised.reader)
        await supervised.until(lambda: supervised.supervisor.pulling)

        assert supervised.reason() is Reason.CONNECTING
        await supervised.until(lambda: supervised.supervisor.attempts > 1)
        assert supervised.reason() is Reason.UNREACHABLE
