"""The eyes on virtual cameras, through the fleet, RTSP and the decoder's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import cv2
import numpy as np
import pytest

from gateway.agent import eyes as room
from gateway.agent.eyes import AT_ONCE, JPEG_BYTES, Eyes
from gateway.agent.fleet import Fleet
from gateway.agent.settings_eyes import Eyes as Settings
from gateway.aio.clock import SystemClock
from gateway.demo.camera import VirtualCamera
from gateway.demo.encode import Encoder, RecordedFootage, Shape, record
from gateway.demo.rtsp_server import Recorder
from gateway.ingest.policy import Policy
from gateway.ingest.rtsp.ledger import LoginLedger
from gateway.ingest.source import RtspSource
from gateway.model.config import CameraConfig, SiteConfig, StreamConfig
from gateway.model.errors import NoPicture
from gateway.model.reasons import Reason
from tests.fixtures import sights

pytestmark = pytest.mark.live

SHAPE = Shape(width=640, height=360, fps=10, gop_s=0.4, bitrate_bps=2_000_000)


class Brisk(SystemClock):
    """The real clock, but who paces himself by it waits a hundredth."""

    def __init__(self) -> None:
        self.turned = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s / 100)
        self.turned.set()
        self.turned.clear()


@dataclass
class Ground:
    """Cameras ``c0``, ``c1`` and so on, the fleet that pulls them, and eyes."""

    recorders: list[Recorder]
    fleet: Fleet
    eyes: Eyes
    clock: Brisk

    async def until_doubted(self) -> None:
        async with asyncio.timeout(20):
            while not self.eyes.doubts():
                await self.clock.turned.wait()


def showing(sight: object) -> RecordedFootage:
    """Return three seconds of what is shown in *sight*, other noise in each picture."""
    encoder = Encoder(SHAPE)
    coded = [encoder.encode(sight(number), number)[0] for number in range(32)]  # type: ignore[operator]
    return RecordedFootage(SHAPE, tuple(coded))


@asynccontextmanager
async def ground(
    *cameras: tuple[RecordedFootage, str], **settings: object
) -> AsyncIterator[Ground]:
    clock, real = Brisk(), SystemClock()
    async with AsyncExitStack() as stack:
        recorders = [
            await stack.enter_async_context(
                Recorder([VirtualCamera(f"c{at}", footage, path="/live", account=None)])
            )
            for at, (footage, _) in enumerate(cameras)
        ]
        ports = frozenset(int(each.url().split(":")[2].split("/")[0]) for each in recorders)

        def source(site: SiteConfig, camera: CameraConfig, stream: StreamConfig) -> RtspSource:
            return RtspSource(
                camera,
                stream,
                password=None,
                policy=Policy((ip_network("127.0.0.0/8"),), ports),
                ledger=LoginLedger(real),
                payload_bytes=site.limits.payload_bytes,
                clock=real,
            )

        site = SiteConfig.model_validate(
            {
                "cameras": [
                    {
                        "id": f"c{at}",
                        "name": f"Quầy {at}",
                        "streams": [{"url": each.url(), "keep": keep, "linger_s": 1}],
                    }
                    for at, (each, (_, keep)) in enumerate(zip(recorders, cameras, strict=True))
                ]
            }
        )
        fleet = Fleet(site, source=source, viewers=lambda _: 0, clock=real)
        eyes = Eyes(
            cameras=lambda: [each.id for each in fleet.site.cameras],
            find=fleet.find,
            settings=Settings.model_validate({"every_s": 10, **settings}),
            clock=clock,
        )
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(each.run(), name=type(each).__name__) for each in (fleet, eyes)
            ]
            yield Ground(recorders, fleet, eyes, clock)
            for task in running:
                task.cancel()


async def refused(ground: Ground, camera: str = "c0", width: int = 640) -> Reason:
    """Return why there is no photograph."""
    with pytest.raises(NoPicture) as caught:
        await ground.eyes.photograph(camera, width)
    return caught.value.reason


async def test_open_cameras_are_looked_at_and_idle_ones_not_opened() -> None:
    """The black one is said to be black, the good one is not mentioned, the idle one not asked."""
    black, good = showing(sights.black), showing(sights.hall)
    async with ground((black, "warm"), (good, "warm"), (good, "on_demand")) as made:
        await made.until_doubted()

        assert made.eyes.doubts() == {"c0": {Reason.PICTURE_BLACK}}
        assert made.recorders[1].cameras[0].counts.requests["PLAY"] == 1
        assert made.recorders[2].cameras[0].counts.requests["PLAY"] == 0

        made.fleet.apply(SiteConfig())
        async with asyncio.timeout(5):
            while made.eyes.doubts():
                await made.clock.turned.wait()


async def test_an_idle_camera_is_opened_for_a_photograph_and_let_go() -> None:
    """A JPEG of the width asked for, within the limit; nobody reads the stream afterwards."""
    async with ground((record("Quầy 1", SHAPE, 2.0), "on_demand")) as made:
        jpeg = await made.eyes.photograph("c0", 320)
        found = made.fleet.find("c0")

        assert found is not None
        assert found.streams[0][1].readers == 0
        assert made.recorders[0].cameras[0].counts.requests["PLAY"] == 1
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (180, 320, 3)
    assert image.mean() > 60
    assert len(jpeg) <= JPEG_BYTES


async def test_a_camera_that_has_gone_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the camera's; beyond so many at once nobody waits."""
    monkeypatch.setattr(room, "WAIT_S", 1.5)
    async with ground((record("Quầy 1", SHAPE, 2.0), "on_demand")) as made:
        made.recorders[0].kill()
        reasons = await asyncio.gather(*(refused(made) for _ in range(AT_ONCE + 1)))

        assert reasons[-1] is Reason.OVERLOADED
        assert set(reasons[:-1]) <= {Reason.REFUSED, Reason.UNREACHABLE, Reason.TIMEOUT}
        found = made.fleet.find("c0")
        assert found is not None
        assert found.streams[0][1].readers == 0
        assert await refused(made) is not Reason.OVERLOADED  # those who waited have left


async def test_what_cannot_be_photographed_is_said() -> None:
    """No such camera, no such width."""
    async with ground((record("Quầy 1", SHAPE, 2.0), "on_demand")) as made:
        assert await refused(made, "c9") is Reason.NOT_FOUND
        assert await refused(made, width=63) is Reason.OFFER_INVALID
        assert await refused(made, width=1921) is Reason.OFFER_INVALID


async def test_both_can_be_switched_off() -> None:
    """Then nothing is decoded, and no child is there."""
    async with ground((showing(sights.black), "warm"), enabled=False, snapshots=False) as made:
        assert await refused(made) is Reason.PAUSED_BY_CONFIG
        found = made.fleet.find("c0")
        assert found is not None
        async with asyncio.timeout(5):
            await found.streams[0][1].until_opened()
        assert made.eyes.doubts() == {}
