"""A viewer's reports, and what comes of them; the streams are real."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.model.quality import ViewLevel
from gateway.ports import Sink
from gateway.rtp.rtcp import ReceiverReport
from gateway.streams.gop_cache import GopCache
from gateway.streams.stream import Stream
from gateway.webrtc.level_control import LevelControl
from gateway.webrtc.packet_batch import RtpParameters
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import FakeClock

NUMBERS = RtpParameters(payload_type=96, ssrc=11, rtx_payload_type=97, rtx_ssrc=22)
PER_REPORT = 200
"""Packets between two reports, half a second apart: 4 Mb/s."""


class OpenSource:
    """Open until it is cancelled; the test delivers."""

    def __init__(self) -> None:
        self.counters = SourceCounters()

    async def run(self, sink: Sink) -> None:
        sink.on_opened(VideoFormat("h264"))
        await asyncio.Event().wait()

    async def check(self) -> None:
        return None


@dataclass
class FastPath:
    """Relays the stream, and counts how often it is taken from it."""

    last_unit_s: float = 0.0
    keyframe_s: float = 0.0
    gop_s: float = 0.0
    reclaimed: int = 0

    def sync_counters(self) -> None:
        return None

    def sync(self) -> None:
        return None

    def reclaim(self) -> None:
        self.reclaimed += 1


@dataclass
class Sender:
    """Takes everything."""

    packets: int = 0
    octets: int = 0
    next_seq: int = 1000
    first_sent_s: float | None = None
    last_sent_s: float | None = None
    busy: bool = False
    last_90k: int | None = None
    begun: list[tuple[AccessUnit, str | None]] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    paced: list[tuple[float | None, float, float]] = field(default_factory=list)

    def send_unit(self, unit: AccessUnit) -> bool:
        self.last_90k = unit.time_90k
        return True

    def set_playout_delay(self, delay_s: float) -> bool:
        self.delays_s.append(delay_s)
        return True

    def set_pace(self, bps: float | None, *, sent_bps: float = 0.0, loss: float = 0.0) -> None:
        self.paced.append((bps, sent_bps, loss))

    def begin_stream(self, unit: AccessUnit, codec: str | None = None) -> None:
        self.begun.append((unit, codec))

    def abandon(self) -> None:
        return None

    def destination(self) -> None:
        return None

    def on_relayed(self, *_: Any) -> None:
        return None

    def on_superseded(self) -> None:
        return None

    def on_reclaimed(self) -> None:
        return None


class Scene:
    """One viewer of one camera, whose stream the fast path relays."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        gop = GopCache(limit_bytes=1_000_000, limit_s=60)
        self.stream = Stream(OpenSource(), warm=False, linger_s=0.0, gop=gop, clock=self.clock)
        self.sender, self.fast_path = Sender(), FastPath()
        self.bugs: list[Exception] = []
        self.control = LevelControl(
            self.sender,
            {ViewLevel.MAIN: self.stream},
            NUMBERS,
            fitting=lambda _stream: True,
            round_trip_s=lambda: 0.02,
            on_bug=self.bugs.append,
            now=self.clock.now,
        )
        self._highest, self._lost = self.sender.next_seq - 1, 0

    def report(self, lost: int) -> None:
        """Half a second of the stream passes, of which *lost* packets do not arrive."""
        self.clock.time_s += 0.5
        self.sender.packets += PER_REPORT
        self.sender.octets += PER_REPORT * 1_200
        self._highest += PER_REPORT
        self._lost += lost
        self.control.on_report(ReceiverReport(1, 11, 0, self._lost, self._highest, 0, 0, 0))


@asynccontextmanager
async def watching() -> AsyncIterator[Scene]:
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        pull = group.create_task(scene.stream.pull())
        await asyncio.sleep(0)
        scene.control.start()
        scene.stream.deliver(access_unit(1, keyframe=True))
        scene.stream.fast_path = scene.fast_path
        yield scene
        scene.stream.fast_path = None
        scene.control.close()
        assert not scene.bugs
        pull.cancel()


async def test_a_calm_viewer_stays_on_the_fast_path() -> None:
    """Reports without loss, for ten minutes, take nothing from it; nor does a burst."""
    async with watching() as scene:
        for number in range(1_200):
            scene.report(60 if number == 600 else 0)

        assert scene.fast_path.reclaimed == 0
        assert scene.sender.delays_s == []


async def test_loss_by_chance_takes_three_pictures_from_the_fast_path_once() -> None:
    """To tell the player to wait; the main stream goes on."""
    chance = random.Random(1)
    async with watching() as scene:
        for _ in range(600):
            scene.report(sum(chance.random() < 0.05 for _ in range(PER_REPORT)))

        assert scene.fast_path.reclaimed == 1
        assert scene.sender.delays_s == [0.3]
        assert scene.control.level is ViewLevel.MAIN


@pytest.mark.parametrize("lost", [0, PER_REPORT])
async def test_a_viewer_has_received_what_it_reports(lost: int) -> None:
    """Not what was only sent."""
    async with watching() as scene:
        before = scene.control.received
        for _ in range(8):
            scene.report(lost)

        assert (before, scene.control.received) == (False, lost == 0)
