"""The demuxing child from outside: fed, read, killed, hung."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing
from random import Random

import pytest

from gateway.demuxing import process
from gateway.demuxing.messages import FORMATS, ContainerFormat
from gateway.demuxing.process import DemuxedUnit, DemuxProcess, demuxing
from gateway.model.errors import CodecUnsupported, GatewayError, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from tests.fixtures.clock import HANG_S
from tests.fixtures.containers import container, flv, sound


async def demux(child: DemuxProcess, data: bytes, chunk: int = 1_400) -> list[DemuxedUnit]:
    """Return what comes out of *data*, written in pieces of *chunk* bytes."""
    units: list[DemuxedUnit] = []

    async def feed() -> None:
        try:
            for at in range(0, len(data), chunk):
                await child.write(data[at : at + chunk])
            child.finish()
        except GatewayError:
            return  # `units` raises it as well

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        group.create_task(feed(), name="feed")
        async with aclosing(child.units()) as demuxed:
            units += [unit async for unit in demuxed]
    return units


async def error_of(child: DemuxProcess, data: bytes) -> GatewayError:
    """Return what *data* makes the child fail with."""
    with pytest.raises(ExceptionGroup) as raised:
        await demux(child, data)
    (error,) = raised.value.exceptions
    assert isinstance(error, GatewayError)
    return error


@pytest.mark.parametrize("container_format", FORMATS)
async def test_pictures_come_out_of_the_sandbox(container_format: ContainerFormat) -> None:
    """All of them, in order; the end of the input ends them."""
    async with demuxing(container_format) as child:
        units = await demux(child, container(container_format))

    assert len(units) == 30
    assert [unit.codec for unit in units] == ["h264"] * 30
    assert [nal[0] & 0x1F for nal in units[0].pieces if nal[0] & 0x1F in (7, 8)] == [7, 8]


async def test_more_than_the_pipes_hold_goes_through() -> None:
    """10 MB, written faster than they are read."""
    data = container("mpegts", pictures=30)
    async with demuxing("mpegts") as child:
        units = await demux(child, data * (10_000_000 // len(data)), 65_536)

    assert len(units) > 500


async def test_a_reader_who_takes_nothing_stops_the_child() -> None:
    """What waits for them is bounded; the writer waits."""
    data = container("mpegts", pictures=30)
    async with demuxing("mpegts") as child, asyncio.TaskGroup() as group:
        writing = group.create_task(child.write(data * (20_000_000 // len(data))), name="write")
        async with aclosing(child.units()) as units:
            await anext(units)
            await asyncio.wait([writing], timeout=0.3)
            assert not writing.done()
            assert child.waiting < 200
            writing.cancel()


async def test_another_format_is_told() -> None:
    """Damaged, tried again later."""
    async with demuxing("flv") as child:
        error = await error_of(child, container("mpegts"))

    assert isinstance(error, SourceUnavailable)
    assert (error.reason, error.detail) == (Reason.CORRUPT, "what comes is no FLV")


async def test_a_codec_that_is_not_taken_is_named() -> None:
    """The camera is parked."""
    async with demuxing("flv") as child:
        error = await error_of(child, container("flv", "flv1"))

    assert isinstance(error, CodecUnsupported)
    assert "flv" in error.detail
    assert error.park_s == process.PARK_S


async def test_sound_without_video_is_told() -> None:
    """The camera is parked."""
    async with demuxing("flv") as child:
        error = await error_of(child, flv(*(sound(20 * each, 4_000) for each in range(600))))

    assert isinstance(error, CodecUnsupported)
    assert error.detail == "no video in the FLV"


async def test_a_child_that_is_killed_is_told() -> None:
    """With the signal; nobody waits for it any more."""
    async with demuxing("flv") as child:
        os.kill(child.pid, signal.SIGKILL)
        async with asyncio.timeout(HANG_S), aclosing(child.units()) as units:
            with pytest.raises(SourceUnavailable, match="the demuxer has ended") as raised:
                await anext(units)

    assert raised.value.pause_s == process.CORRUPT_PAUSE_S


async def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not read what was written to it."""
    monkeypatch.setattr(process, "SILENCE_S", 0.3)
    async with demuxing("flv") as child:
        os.kill(child.pid, signal.SIGSTOP)
        async with asyncio.timeout(HANG_S):
            with pytest.raises(SourceUnavailable, match="has not read for"):
                await child.write(bytes(3_000_000))


async def test_what_the_source_says_comes_out_behind_the_pictures() -> None:
    """Its own error, not that of the child."""
    async with demuxing("flv") as child:
        await child.write(container("flv"))
        async with asyncio.timeout(HANG_S), aclosing(child.units()) as units:
            await anext(units)
            child.fail(SourceStalled(Reason.STALLED, "nothing for 5 s"))
            with pytest.raises(SourceStalled):
                _ = [unit async for unit in units]


async def test_a_child_that_says_nonsense_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that somebody has taken over."""
    monkeypatch.setattr(process, "COMMAND", ("/bin/echo", "x" * 64))
    with pytest.raises(SourceUnavailable, match="answers with no report"):
        async with demuxing("flv"):
            pass


@pytest.mark.parametrize("container_format", FORMATS)
@pytest.mark.parametrize("seed", range(3))
async def test_damaged_containers_end_at_most_the_child(
    container_format: ContainerFormat, seed: int
) -> None:
    """Bytes changed at random, the end cut off: an error of ours, or fewer pictures."""
    random = Random(seed)
    data = bytearray(container(container_format))
    for _ in range(40):
        data[random.randrange(len(data))] = random.randrange(256)
    async with demuxing(container_format) as child:
        try:
            assert len(await demux(child, bytes(data[: random.randrange(len(data))]))) <= 31
        except* GatewayError:
            pass
