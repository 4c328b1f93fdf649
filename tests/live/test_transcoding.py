"""A whole gateway that transcodes: what viewers get while the worker is killed, hangs, starves."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.reasons import Reason
from tests.crash.transcode_campaign import h265_site, run_campaign
from tests.fixtures.broker import Broker
from tests.fixtures.coded_pictures import coded_pictures
from tests.fixtures.gst import GstServer
from tests.fixtures.http_camera import http_camera, stream_of
from tests.fixtures.site import OWN, PASSWORD, site, tree
from tests.live.test_slates import FIRST, shown_after, tells, until_seen, watch

pytestmark = pytest.mark.live

JPEG = coded_pictures("mjpeg", 10)
OPENED = {"CAMERA_GATEWAY__CAMERAS__SCHEMES": '["http"]'}


async def test_no_viewer_is_lost_and_no_process_is_left(tmp_path: Path, broker: Broker) -> None:
    """Killed, hung and starved, under two viewers; `scripts/crash-test --transcoding` does more."""
    async with h265_site(tmp_path, broker) as running:
        campaign = await run_campaign(running, rounds=3, seed=1)

    assert campaign.wrong == []
    assert campaign.acts == {"kill": 1, "hang": 1, "starve": 1}


async def test_health_tells_of_the_transcode(tmp_path: Path, broker: Broker) -> None:
    """That there is one, of which camera, and what it takes."""
    async with h265_site(tmp_path, broker) as running:
        await running.watch(0)
        state = await running.until(
            lambda message: (
                message.topic == OWN.camera_state("c00") and tree(message).get("tc") == 1
            )
        )

    assert tree(state)["tc_div"] >= 1
    assert tree(state)["codec"] == "h265"


async def _shows_jpeg(folder: Path, broker: Broker, url: str) -> None:
    """Watch the camera at *url* in a whole gateway until there are pictures and health tells."""
    async with site(folder, broker, (), urls=(url,), env=OPENED, linger_s=0.0) as running:
        viewer = await running.watch(0)
        await viewer.until(30)
        state = await running.until(
            lambda message: (
                message.topic == OWN.camera_state("c00") and tree(message).get("tc") == 1
            )
        )

    assert tree(state)["codec"] == "mjpeg"
    assert (tree(state)["w"], tree(state)["h"]) == (320, 240)
    assert PASSWORD not in "".join(running.output)


async def test_a_camera_that_sends_jpeg_over_http_is_watched(
    tmp_path: Path, broker: Broker
) -> None:
    """The viewer gets H.264."""
    async with http_camera(stream_of(JPEG)) as port:
        await _shows_jpeg(tmp_path, broker, f"http://127.0.0.1:{port}/video")


async def test_the_page_is_shown_why_a_transcode_never_comes(
    tmp_path: Path, broker: Broker
) -> None:
    """Of a camera whose state is well: nothing else would tell a viewer that asks for no slates."""
    broken = [each.replace(b"\xff\xdb\x00\x43\x00", b"\xff\xdb\x00\x43\x0f") for each in JPEG]
    assert broken != JPEG  # a quantisation table that there is no place for
    async with http_camera(stream_of(broken)) as port:
        url = f"http://127.0.0.1:{port}/video"
        async with site(tmp_path, broker, (), urls=(url,), env=OPENED, linger_s=0.0) as running:
            viewer = await watch(running, slate=False)
            await running.until(tells(FIRST, Reason.UNSUPPORTED_CODEC))
            await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 1)))


async def test_a_camera_that_sends_jpeg_over_rtsp_is_watched(
    tmp_path: Path, broker: Broker, gst: GstServer
) -> None:
    """From a server that nobody here wrote."""
    await _shows_jpeg(tmp_path, broker, gst.url("jpeg"))
