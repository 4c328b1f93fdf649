"""The fast path within a real source: a scripted camera, a real loop."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Iterable

import pytest

from gateway.model.errors import SourceStalled
from gateway.model.reasons import Reason
from gateway.sources.rtsp_source import RtspSource
from tests.fixtures.camera_stream import FakeCameraStream
from tests.fixtures.clock import HANG_S
from tests.fixtures.fastpath_scenarios import RecordingStream
from tests.unit.rtsp.scripted import Camera, camera
from tests.unit.sources.test_rtsp_source import source


class Relaying(RecordingStream):
    """A stream that says when it has so many units."""

    def __init__(self, pulled: RtspSource) -> None:
        super().__init__(pulled.counters)
        self._source = pulled

    async def until(self, units: int) -> None:
        """Return when *units* have come; whoever calls bounds it in time."""
        while len(self.units) < units:
            self.sync()
            await asyncio.sleep(0.001)


def send(made: Camera, packets: FakeCameraStream) -> None:
    """Send what *packets* has got since."""
    made.writers[-1].write(bytes(packets.sent))
    packets.sent.clear()


async def playing(
    made: Camera, packets: FakeCameraStream
) -> tuple[RtspSource, Relaying, asyncio.Task[None]]:
    """Pull the camera until its first keyframe is there."""
    pulled = source(made)
    stream = Relaying(pulled)
    running = asyncio.create_task(stream.pull())
    await made.played.wait()
    packets.keyframe()
    send(made, packets)
    await stream.until(1)
    return pulled, stream, running


async def relayed(
    made: Camera, packets: FakeCameraStream, stream: Relaying, numbers: Iterable[int]
) -> None:
    """Send a picture for each of *numbers*, and wait until so many have come out."""
    for number in numbers:
        packets.p()
        send(made, packets)
        await stream.until(number)


async def test_pictures_go_by_the_fast_path_and_the_end_is_seen() -> None:
    """The camera hangs up while the fast path reads; nothing that came before it is lost."""
    packets = FakeCameraStream("h264", 5)
    async with asyncio.timeout(HANG_S), camera() as made:
        pulled, stream, running = await playing(made, packets)
        await relayed(made, packets, stream, range(2, 7))
        packets.p()
        send(made, packets)
        made.writers[-1].close()
        with pytest.raises(SourceStalled):
            await running

    assert len(stream.units) == pulled.counters.units == 7
    assert stream.fast_path_units >= 5
    assert stream.fast_path is None


async def test_a_source_that_is_cancelled_lets_go_of_the_fast_path() -> None:
    """No descriptor and no task is left, and the camera is told."""
    packets = FakeCameraStream("h264", 5)

    async def once() -> list[str]:
        async with camera() as made:
            before = set(os.listdir("/proc/self/fd"))
            _, stream, running = await playing(made, packets)
            await relayed(made, packets, stream, [2])
            running.cancel()
            await asyncio.wait([running])
            assert made.methods[-1] == "TEARDOWN"
            assert stream.fast_path is None
            for writer in made.writers:
                writer.close()
                await writer.wait_closed()
            return sorted(set(os.listdir("/proc/self/fd")) - before)

    async with asyncio.timeout(HANG_S):
        await once()  # the polling thread and its epoll descriptor stay
        tasks = asyncio.all_tasks()
        left = await once()

    assert left == []
    assert asyncio.all_tasks() == tasks


async def test_a_goodbye_is_heard_while_the_fast_path_relays() -> None:
    """Nothing follows it, and the camera does not hang up."""
    packets = FakeCameraStream("h264", 5)
    async with asyncio.timeout(HANG_S), camera() as made:
        _, stream, running = await playing(made, packets)
        await relayed(made, packets, stream, range(2, 5))
        made.send(struct.pack("!BBHI", 0x81, 203, 1, 7), 1)
        with pytest.raises(SourceStalled) as caught:
            await running

    assert caught.value.reason is Reason.SOURCE_ENDED
    assert stream.fast_path_units >= 2
