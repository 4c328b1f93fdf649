"""The fan-out of one pull."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import SourceStalled
from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.ports import Sink
from gateway.runtime.clock import SystemClock
from gateway.streams.gop_cache import GopCache
from gateway.streams.reader import Reader
from gateway.streams.stream import FIRST_RATE_S, MAX_PARAMETER_BYTES, OPENING_S, RATE_S, Stream
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S, FakeClock


class Source:
    """Opens at once and breaks when told."""

    def __init__(self) -> None:
        self.counters = SourceCounters()
        self.broken = asyncio.Event()

    async def run(self, sink: Sink) -> None:
        sink.on_opened(VideoFormat("h264"))
        await self.broken.wait()
        raise SourceStalled(Reason.STALLED, "told to")

    async def check(self) -> None:
        return None


def make(*, warm: bool = False, linger_s: float = 0.0) -> Stream:
    return Stream(
        Source(),
        warm=warm,
        linger_s=linger_s,
        gop=GopCache(limit_bytes=1_000_000, limit_s=60),
        clock=SystemClock(),
    )


def taker(taken: list[AccessUnit]) -> Reader:
    def take(unit: AccessUnit) -> bool:
        taken.append(unit)
        return True

    return Reader(take)


def test_every_reader_gets_the_very_same_payloads() -> None:
    """No copy per viewer."""
    stream = make()
    first: list[AccessUnit] = []
    second: list[AccessUnit] = []
    stream.attach(taker(first))
    stream.attach(taker(second))
    unit = access_unit(0, keyframe=True)

    stream.deliver(unit)

    assert first[0] is unit
    assert second[0] is unit


def test_a_newcomers_gop_ends_where_the_live_one_is() -> None:
    """Stamps 1 ms apart, the last one unchanged."""
    stream = make()
    for number in range(4):
        stream.deliver(access_unit(number, keyframe=number == 0))
    taken: list[AccessUnit] = []

    stream.attach(taker(taken))

    live = 3 * 3600
    assert [unit.time_90k for unit in taken] == [live - 270, live - 180, live - 90, live]


@given(pictures=st.integers(1, 900), ahead=st.integers(0, 100))
def test_a_second_replay_is_stamped_after_the_first(pictures: int, ahead: int) -> None:
    """Strictly later than all before, and before the next live picture."""
    stream = make()
    for number in range(pictures):
        stream.deliver(access_unit(number, keyframe=number == 0))
    taken: list[AccessUnit] = []
    reader = taker(taken)
    last = (pictures - 1) * 3600 + ahead

    stream.replay(reader, after_90k=last)

    times = [unit.time_90k for unit in taken]
    assert times == sorted(set(times))
    assert times[0] > last
    assert times[-1] <= last + 1500


async def test_readers_wait_for_a_keyframe_after_a_break() -> None:
    """The cached GOP is gone with the source."""
    stream = make(warm=True)
    taken: list[AccessUnit] = []
    stream.attach(taker(taken))
    stream.deliver(access_unit(0, keyframe=True))
    stream._source.broken.set()  # type: ignore[attr-defined]

    with pytest.raises(SourceStalled):
        await stream.pull()
    stream.deliver(access_unit(1))

    assert len(taken) == 1
    assert stream.gop.units == ()


async def test_it_is_unwanted_once_the_last_reader_has_left() -> None:
    """And wanted as soon as one comes."""
    stream = make()
    waiting = asyncio.create_task(stream.until_wanted())
    await asyncio.sleep(0)
    assert not waiting.done()
    reader = taker([])

    stream.attach(reader)
    await waiting
    leaving = asyncio.create_task(stream.until_unwanted())
    await asyncio.sleep(0)
    assert not leaving.done()
    stream.detach(reader)

    async with asyncio.timeout(HANG_S):
        await leaving


async def test_a_reader_who_comes_back_within_the_linger_keeps_it_open() -> None:
    """A click from tile to tile does not reopen the camera."""
    stream = make(linger_s=1.0)
    reader = taker([])
    stream.attach(reader)
    leaving = asyncio.create_task(stream.until_unwanted())
    await asyncio.sleep(0)

    stream.detach(reader)
    await asyncio.sleep(0)
    stream.attach(reader)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.3):
            await asyncio.shield(leaving)

    leaving.cancel()


async def test_a_warm_stream_is_wanted_by_nobody_in_particular() -> None:
    """It is kept open from the start."""
    stream = make(warm=True)

    async with asyncio.timeout(HANG_S):
        await stream.until_wanted()

    assert stream.wanted


def test_the_rate_is_measured_from_the_first_picture_on() -> None:
    """A camera that takes a second to begin is not slow; and one that is away keeps its rate."""
    clock, source = FakeClock(), Source()
    gop = GopCache(limit_bytes=1_000_000, limit_s=60)
    stream = Stream(source, warm=False, linger_s=0.0, gop=gop, clock=clock)
    stream.on_opened(VideoFormat("h264"))
    rates = []
    for passed_s, received_bytes in ((3.0, 0), (FIRST_RATE_S, 1_000_000), (RATE_S, 500_000)):
        clock.time_s += passed_s
        source.counters.received_bytes += received_bytes
        rates.append(stream.bps)
        stream.deliver(access_unit(0, keyframe=True))

    assert rates == [None, 8e6 / FIRST_RATE_S, 4e6 / RATE_S]


async def test_who_holds_a_stream_open_reads_nothing() -> None:
    """It keeps the source wanted, and leaves the fast path alone."""
    stream, holder = make(), object()

    stream.hold(holder)

    assert (stream.wanted, stream.readers) == (True, 1)
    assert stream.destinations(0) == ()


async def test_who_releases_a_stream_twice_releases_it_once() -> None:
    """A session that ends lets go of all that it may hold."""
    stream, holder = make(), object()
    stream.hold(holder)

    stream.release(holder)
    stream.release(holder)

    assert (stream.wanted, stream.readers) == (False, 0)


def test_a_reader_may_come_without_the_cached_gop() -> None:
    """It begins at the next keyframe."""
    stream = make()
    stream.deliver(access_unit(0, keyframe=True))
    taken: list[AccessUnit] = []

    stream.attach(taker(taken), replay=False)
    stream.deliver(access_unit(1))
    stream.deliver(access_unit(2, keyframe=True))

    assert [unit.time_90k for unit in taken] == [7200]


def test_a_keyframe_alone_is_followed_by_the_next_keyframe() -> None:
    """What lies between them cannot be decoded without what was left out."""
    stream = make()
    taken: list[AccessUnit] = []
    reader = taker(taken)
    stream.attach(reader)
    for number in range(3):
        stream.deliver(access_unit(number, keyframe=number == 0))
    taken.clear()

    stream.replay(reader, 7200, keyframe_only=True)
    stream.deliver(access_unit(3))
    stream.deliver(access_unit(4, keyframe=True))

    assert [unit.keyframe for unit in taken] == [True, True]
    assert taken[0].time_90k == 7201


def test_a_keyframe_that_has_just_come_is_followed_by_what_comes() -> None:
    """Nothing was left out."""
    stream = make()
    taken: list[AccessUnit] = []
    reader = taker(taken)
    stream.attach(reader)
    stream.deliver(access_unit(0, keyframe=True))
    taken.clear()

    stream.replay(reader, 0, keyframe_only=True)
    stream.deliver(access_unit(1))

    assert len(taken) == 2


class AskedSource(Source):
    """One whose camera can be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.wants = 0

    def want_keyframe(self, newest_s: Callable[[], float | None]) -> None:  # noqa: ARG002
        self.wants += 1


async def asked_stream(clock: FakeClock) -> tuple[AskedSource, Stream, asyncio.Task[None]]:
    """Return a stream that is open, and what pulls it."""
    source = AskedSource()
    gop = GopCache(limit_bytes=1_000_000, limit_s=60)
    stream = Stream(source, warm=False, linger_s=0, gop=gop, clock=clock)
    pulling = asyncio.create_task(stream.pull())
    await stream.until_opened()
    return source, stream, pulling


async def test_a_camera_whose_first_pictures_cannot_be_decoded_is_asked_for_a_keyframe() -> None:
    """Some begin in the middle of a GOP; from the keyframe on it is not asked any more."""
    source, stream, pulling = await asked_stream(clock := FakeClock())
    stream.deliver(access_unit(0, keyframe=False, arrived_s=clock.now()))
    assert source.wants == 0  # it has just been opened
    clock.time_s += OPENING_S
    stream.deliver(access_unit(1, keyframe=False, arrived_s=clock.now()))
    assert source.wants == 1

    for number in range(2, 5):
        stream.deliver(access_unit(number, keyframe=number == 2, arrived_s=clock.now()))

    assert source.wants == 1
    pulling.cancel()


async def test_a_camera_is_asked_for_whoever_joins_and_finds_no_gop() -> None:
    """Cameras with a keyframe a minute: what has come since is too much to keep."""
    source, stream, pulling = await asked_stream(clock := FakeClock())
    clock.time_s += OPENING_S

    stream.attach(taker([]))

    assert source.wants == 1
    pulling.cancel()


async def test_a_keyframe_that_is_due_is_waited_for() -> None:
    """One that is overdue, or far away, is asked for."""
    source, stream, pulling = await asked_stream(clock := FakeClock())
    for number in range(2):
        clock.time_s += 10.0
        stream.deliver(access_unit(250 * number, keyframe=True, arrived_s=clock.now()))

    for later_s, wants in ((3.0, 1), (6.5, 1), (1.0, 1), (2.0, 2)):
        clock.time_s += later_s
        stream.want_keyframe()
        assert source.wants == wants
    pulling.cancel()


async def test_the_cached_gop_ends_with_the_session() -> None:
    """Who joins while the camera is away must not be shown what was."""
    stream = make(warm=True)
    pulling = asyncio.create_task(stream.pull())
    await stream.until_opened()
    stream.deliver(access_unit(0, keyframe=True))
    assert stream.gop.units

    stream._source.broken.set()  # type: ignore[attr-defined]
    with pytest.raises(SourceStalled):
        await pulling

    assert stream.gop.units == ()


@pytest.mark.parametrize(
    ("sizes", "payloads"),
    [
        ((20, 5, 1100, 30), 2),
        ((MAX_PARAMETER_BYTES, MAX_PARAMETER_BYTES + 1), 1),
        ((20, 20, 20, 20, 20, 20), 4),
        ((1100,), 0),
    ],
)
def test_what_may_be_parameter_sets_is_small_few_and_first(
    sizes: tuple[int, ...], payloads: int
) -> None:
    """Whatever else a camera sends is not held from keyframe to keyframe."""
    stream = make()
    unit = access_unit(0, keyframe=True, sizes=sizes)

    stream.deliver(unit)

    assert stream.parameter_payloads == unit.payloads[:payloads]
