"""Which pictures of its footage a virtual camera sends, and when it may leave some out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from gateway.demo.encoder import CodedPicture, EncoderSettings, RecordedFootage, record
from gateway.demo.faults import Frozen
from gateway.demo.video_loop import MarkedPayloads, VideoLoop
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from tests.fixtures.clock import HANG_S

FOOTAGE = record("c", EncoderSettings("h264", 160, 96, gop_s=0.4, b_frames=2), 1.6)
"""40 pictures, a keyframe in 10."""


class Viewer:
    """Notes the positions in the footage of what it gets; *act* is called after each."""

    def __init__(self, count: int, act: Callable[[int], None]) -> None:
        self.positions: list[int] = []
        self.enough = asyncio.Event()
        self._count, self._act = count, act

    def send_picture(self, coded: CodedPicture, payloads: MarkedPayloads, time_90k: int) -> None:
        """Note it."""
        del payloads, time_90k
        self.positions.append([id(each) for each in FOOTAGE.pictures].index(id(coded)))
        self._act(len(self.positions))
        if len(self.positions) == self._count:
            self.enough.set()


async def watch(camera: VirtualCamera, viewer: Viewer) -> list[int]:
    """Return the positions of what *viewer* gets from *camera*."""
    video_loop = VideoLoop(camera)
    video_loop.subscribe(viewer)
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(video_loop.run())
        await viewer.enough.wait()
        running.cancel()
    return viewer.positions


def gaps(positions: list[int], footage: RecordedFootage) -> list[tuple[int, int]]:
    """Return where a picture that needs its predecessor comes behind another."""
    return [
        (before, after)
        for before, after in pairwise(positions)
        if after != before + 1 and not footage.pictures[after].keyframe
    ]


async def test_a_late_recording_leaves_out_whole_gops_only() -> None:
    """A machine that stands still for 1.3 s sends what refers to what has been sent."""
    loop = asyncio.get_running_loop()
    usual, late_s = loop.time, 0.0
    loop.time = lambda: usual() + late_s  # type: ignore[method-assign]

    def stand_still(sent: int) -> None:
        nonlocal late_s
        late_s += 1.3 if sent == 5 else 0.0

    camera = VirtualCamera("c", FOOTAGE, behaviour=Behaviour(join="at_once"))
    try:
        positions = await watch(camera, Viewer(30, stand_still))
    finally:
        loop.time = usual  # type: ignore[method-assign]

    assert gaps(positions, FOOTAGE) == []
    assert positions[9:11] != [9, 10], "and it catches up"


async def test_a_frozen_recording_goes_on_behind_the_picture_it_showed() -> None:
    """When the picture moves again it needs no picture that was not sent."""
    camera = VirtualCamera("c", FOOTAGE, behaviour=Behaviour(join="at_once"))

    def freeze(sent: int) -> None:
        if sent == 3:
            camera.fault = Frozen()
        elif sent == 7:
            camera.fault = None

    assert gaps(await watch(camera, Viewer(14, freeze)), FOOTAGE) == []
