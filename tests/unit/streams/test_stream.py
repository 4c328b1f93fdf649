"""The fan-out of one pull."""

from __future__ import annotations

import asyncio

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
from gateway.streams.stream import Stream
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S


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
