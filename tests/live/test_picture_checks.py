"""Picture checks in the real gateway: a snapshot on command, and a black picture as an alarm."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.cameras.picture_monitor import PictureMonitor
from gateway.config.settings import PictureChecks
from gateway.model.errors import NoPicture
from gateway.model.reasons import Reason
from gateway.runtime.clock import SystemClock
from gateway.vision.decoder import Decoder
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import cameras, site
from tests.live.test_alarms import hasty as hasty
from tests.live.test_alarms import until_alarm
from tests.live.test_commands import ask

pytestmark = pytest.mark.live


async def test_a_snapshot_of_a_camera_that_nobody_watches(tmp_path: Path, broker: Broker) -> None:
    """It is opened for it and left again; the picture is the camera's."""
    async with site(tmp_path, broker, cameras(1), linger_s=0.0) as running:
        await running.until_state(0, "IDLE")

        said = await ask(running, "snapshot", {"cam": "c00", "width": 160})

        assert said["st"] == "succeeded", said
        raw = base64.b64decode(said["res"]["jpeg"])
        picture = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (90, 160, 3)
        assert picture.std() > 10
        counts = running.camera(0).counts
        async with asyncio.timeout(HANG_S):
            while counts.sessions:  # noqa: ASYNC110 (the camera has no event for it)
                await asyncio.sleep(0.05)
        assert counts.sessions_ever == 1


async def test_snapshots_can_be_forbidden_on_the_machine(tmp_path: Path, broker: Broker) -> None:
    """Whatever the centre asks."""
    async with site(
        tmp_path, broker, cameras(1), more="[picture_checks]\nsnapshots = false\n"
    ) as running:
        await running.until_state(0, "IDLE")

        said = await ask(running, "snapshot", {"cam": "c00"})

        assert (said["st"], said["code"]) == ("failed", "PAUSED_BY_CONFIG")


@pytest.mark.usefixtures("hasty")
async def test_a_recording_in_place_of_the_camera_is_an_alarm(
    tmp_path: Path, broker: Broker
) -> None:
    """Four seconds, again and again; the virtual camera plays nothing else."""
    more = "[picture_checks]\nevery_s = 1\n"
    async with site(tmp_path, broker, cameras(1), more=more, keep="warm") as running:
        alarm = await until_alarm(running, "cam.c00.picture", raised=True)

        assert (alarm.cause, alarm.severity) == (Reason.PICTURE_LOOP, "warning")


async def test_a_camera_that_is_not_there_has_no_picture() -> None:
    """The reason says so."""
    monitor = PictureMonitor(
        PictureChecks(),
        cameras=tuple,
        find=lambda _: None,
        decoder=Decoder(clock=SystemClock()),
        clock=SystemClock(),
    )
    with pytest.raises(NoPicture) as caught:
        await monitor.snapshot("c99", 640)

    assert caught.value.reason is Reason.NOT_FOUND
