"""Slates by a real child, decoded by FFmpeg; the clock runs faster."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice, pairwise

import av
import numpy as np
import pytest

from gateway.model.media import AccessUnit
from gateway.model.reasons import Reason
from gateway.rtp.codecs import coded_picture
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtp.video_info import VideoInfo
from gateway.runtime.clock import now_ms
from gateway.slates import service
from gateway.slates.service import (
    FIRST_PAUSE_S,
    KEYFRAME_EVERY,
    LONGEST_PAUSE_S,
    MEMORY_BYTES,
    MOST_SLATES,
    SlateService,
)
from gateway.slates.slate_format import SlateCodec
from gateway.streams.reader import Reader
from gateway.streams.slate import Slate
from tests.fixtures.clock import HANG_S, FakeClock, FastClock

SPEED = 20
FULL_HD = VideoInfo(1920, 1080, "High", 100, "4.1", 0, False)
D1 = VideoInfo(704, 576, "Main", 77, "3.0", 0, False, (12, 11))
CIF = VideoInfo(352, 288, "Baseline", 66, "2.0", 0, False)


class Viewer:
    """Reads one slate."""

    def __init__(self, slate: Slate | None) -> None:
        assert slate is not None
        self.slate = slate
        self.units: list[AccessUnit] = []
        self._more = asyncio.Event()
        self.reader = Reader(self._take)
        slate.stream.attach(self.reader)

    def _take(self, unit: AccessUnit) -> bool:
        self.units.append(unit)
        self._more.set()
        return True

    async def until(self, true: Callable[[list[AccessUnit]], bool]) -> list[AccessUnit]:
        """Return what has come as soon as it is *true* of it."""
        async with asyncio.timeout(HANG_S):
            while not true(self.units):
                self._more.clear()
                await self._more.wait()
        return list(self.units)

    def leave(self) -> None:
        self.slate.stream.detach(self.reader)


@asynccontextmanager
async def serving(codec: SlateCodec = "h264") -> AsyncIterator[SlateService]:
    slates = SlateService(
        codec,
        payload_bytes=lambda: 1180,
        clock=FastClock(SPEED),
        wall_ms=lambda: now_ms() * SPEED,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(slates.run())
        try:
            yield slates
        finally:
            running.cancel()


def decoded(codec: SlateCodec, units: list[AccessUnit]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("hevc" if codec == "h265" else codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames: list[av.VideoFrame] = []
    for unit in units:
        frames += decoder.decode(av.Packet(coded_picture(codec, unit.payloads)))
    return frames + decoder.decode(None)


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_a_slate_is_a_picture_whose_clock_runs(codec: SlateCodec) -> None:
    """Of the camera's size, in its codec; a keyframe now and then for those who never ask."""
    async with serving(codec) as slates:
        viewer = Viewer(slates.find(D1, Reason.UNREACHABLE))
        units = await viewer.until(lambda units: len(units) > KEYFRAME_EVERY)

    frames = decoded(codec, units)
    assert [unit.keyframe for unit in units] == [True, False, False, False, True]
    assert {(frame.width, frame.height) for frame in frames} == {(704, 576)}
    lumas = [frame.to_ndarray(format="gray") for frame in frames]
    assert all(np.any(one != two) for one, two in pairwise(lumas))
    assert lumas[0].max() > 200  # white on nearly black
    times = [unit.time_90k for unit in units]
    assert times == sorted(set(times))


@pytest.mark.parametrize("seen", [FULL_HD, D1, CIF], ids=lambda seen: seen.profile)
async def test_a_slate_has_the_parameters_of_its_camera(seen: VideoInfo) -> None:
    """Profile, level, size and shape of a pixel: a decoder need not be made anew."""
    async with serving() as slates:
        viewer = Viewer(slates.find(seen, Reason.STALLED))
        units = await viewer.until(bool)

    made = parse_picture("h264", units[0].payloads)
    assert made is not None
    assert (made.width, made.height, made.level) == (seen.width, seen.height, seen.level)
    assert made.profile_idc == seen.profile_idc
    assert made.pixel_aspect in (seen.pixel_aspect, (1, 1))
    assert not made.reordered
    assert not made.interlaced


async def test_an_h265_slate_has_the_parameters_of_its_camera() -> None:
    """Main and the level, whatever the camera's profile."""
    seen = VideoInfo(1280, 720, "Main 10", 2, "4.0", 0, False)
    async with serving("h265") as slates:
        units = await Viewer(slates.find(seen, Reason.STALLED)).until(bool)

    made = parse_picture("h265", units[0].payloads)
    assert made is not None
    assert (made.width, made.height, made.level, made.profile) == (1280, 720, "4.0", "Main")


async def test_who_comes_later_has_a_picture_at_once() -> None:
    """From the cached keyframe."""
    async with serving() as slates:
        first = Viewer(slates.find(CIF, Reason.STALLED))
        await first.until(lambda units: len(units) > 2)

        later = Viewer(slates.find(CIF, Reason.STALLED))

        assert later.units[0].keyframe


async def test_cameras_of_one_kind_share_a_slate() -> None:
    """A dead switch costs one encoder."""
    async with serving() as slates:
        many = [slates.find(CIF, Reason.UNREACHABLE) for _ in range(32)]
        other = slates.find(CIF, Reason.AUTH_FAILED)
        Viewer(other)

        assert len({id(each) for each in many}) == 1
        assert other is not many[0]
        assert slates.running == 1


async def test_a_killed_child_is_replaced() -> None:
    """The viewer goes on from a keyframe of the next one."""
    async with serving() as slates:
        viewer = Viewer(slates.find(CIF, Reason.STALLED))
        before = len(await viewer.until(lambda units: len(units) == 2))
        assert slates.pid is not None
        os.kill(slates.pid, signal.SIGKILL)

        units = await viewer.until(lambda units: len(units) > before + 2)

        assert slates.deaths == 1
        fresh = next(at for at in range(2, len(units)) if units[at].keyframe)
        assert decoded("h264", units[fresh:])


async def test_a_child_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for."""
    monkeypatch.setattr(service, "ANSWERS_WITHIN_S", 0.5)
    async with serving() as slates:
        viewer = Viewer(slates.find(CIF, Reason.STALLED))
        before = len(await viewer.until(lambda units: len(units) == 2))
        hung = slates.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)

        await viewer.until(lambda units: len(units) > before + 2)

        assert slates.deaths == 1
        assert slates.pid != hung


async def test_a_slate_that_nobody_reads_ends_and_so_does_the_child() -> None:
    """After a while; what comes later gets a new one."""
    async with serving() as slates:
        viewer = Viewer(slates.find(CIF, Reason.STALLED))
        await viewer.until(bool)
        viewer.leave()
        async with asyncio.timeout(HANG_S):
            while slates.pid is not None:  # noqa: ASYNC110 (looks at what has no event)
                await asyncio.sleep(0.01)

        again = Viewer(slates.find(CIF, Reason.STALLED))

        assert (await again.until(bool))[0].keyframe


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_memory_is_bounded_and_size_gives_way_first(codec: SlateCodec) -> None:
    """However many formats and reasons there are at once."""
    async with serving(codec) as slates:
        viewers = []
        for reason in Reason:
            slate = slates.find(FULL_HD, reason)
            if slate is not None:
                viewers.append(Viewer(slate))
        entries = list(slates._entries.values())

    assert sum(each.form.memory_bytes for each in entries) <= MEMORY_BYTES[codec]
    assert entries[0].form.width == 1920
    assert entries[-1].form.width < 1920
    assert len(entries) >= 5


async def test_slates_that_nobody_reads_give_way() -> None:
    """At once."""
    async with serving() as slates:
        for reason in Reason:
            slates.find(FULL_HD, reason)
        Viewer(slates.find(D1, Reason.UNREACHABLE))

        assert [each.form.width for each in slates._entries.values()][-1] == 704


async def test_small_slates_are_bounded_by_their_number() -> None:
    """Each costs a part of every second, however little memory."""
    slates = SlateService("h264", payload_bytes=lambda: 1180, clock=FakeClock())
    found = 0
    for width in range(64, 64 + 4 * MOST_SLATES, 2):
        seen = VideoInfo(width, 64, "High", 100, "1.0", 0, False)
        if (slate := slates.find(seen, Reason.STALLED)) is not None:
            slate.stream.attach(Reader(lambda _unit: True))
            found += 1

    assert found == MOST_SLATES


def test_pauses_after_deaths_grow_and_stay_bounded() -> None:
    """A slate is worth trying, and not worth a core."""
    pauses = list(islice(service._delays(), 9))

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE_S, LONGEST_PAUSE_S)
