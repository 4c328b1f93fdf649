"""A whole gateway whose camera begins in the middle of a GOP of an hour: it asks for a keyframe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from gateway.demo.encoder import EncoderSettings, LiveFootage
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from tests.fixtures.broker import Broker
from tests.fixtures.http_camera import http_camera
from tests.fixtures.onvif_device import MAIN_PATH, onvif_device
from tests.fixtures.site import OWN, PASSWORD, site, tree

pytestmark = pytest.mark.live


def endless(path: str = "/Streaming/Channels/101") -> VirtualCamera:
    """Return a camera that sends a keyframe when it is asked, and never else."""
    footage = LiveFootage("c", EncoderSettings("h264", 320, 180, gop_s=3600))
    return VirtualCamera("c", footage, path=path, behaviour=Behaviour(join="middle"))


def opened(*ports: int) -> dict[str, str]:
    """Return what opens HTTP and *ports* for cameras."""
    return {
        "CAMERA_GATEWAY__CAMERAS__SCHEMES": '["http"]',
        "CAMERA_GATEWAY__CAMERAS__PORTS": json.dumps(ports),
    }


async def test_a_viewer_sees_a_camera_that_has_to_be_asked(tmp_path: Path, broker: Broker) -> None:
    """By ISAPI; health counts that it agreed."""
    camera = endless()
    async with Recorder([camera]) as recorder:

        async def handle(_: web.Request) -> web.StreamResponse:
            recorder.video_loops[camera.path].request_keyframe()
            return web.Response(text="<ResponseStatus><statusCode>1</statusCode></ResponseStatus>")

        async with (
            http_camera(handle) as port,
            site(
                tmp_path,
                broker,
                (),
                urls=(recorder.url(camera),),
                env=opened(recorder.port, port),
                keyframe_requests="isapi",
                keyframe_url=f"http://127.0.0.1:{port}/ISAPI/Streaming/channels/101/requestKeyFrame",
            ) as running,
        ):
            viewer = await running.watch(0)
            await viewer.until(30)
            state = await running.until(
                lambda message: (
                    message.topic == OWN.camera_state("c00") and tree(message).get("kf_ask", 0) > 0
                )
            )

    assert tree(state)["kf_fail"] == 0


async def test_a_foreign_onvif_device_is_asked_by_a_whole_gateway(
    tmp_path: Path, broker: Broker
) -> None:
    """With the camera's own user and password, which nothing shows."""
    camera = endless(MAIN_PATH)
    async with Recorder([camera]) as recorder:
        loop = recorder.video_loops[camera.path]
        with onvif_device("viewer", PASSWORD, lambda _: loop.request_keyframe()) as (port, device):
            async with site(
                tmp_path,
                broker,
                (),
                urls=(recorder.url(camera),),
                env=opened(recorder.port, port),
                keyframe_requests="onvif",
                keyframe_url=f"http://127.0.0.1:{port}/onvif/device_service",
            ) as running:
                viewer = await running.watch(0)
                await viewer.until(30)

    assert device.asked[-1] == "SetSynchronizationPoint"
    assert PASSWORD not in "".join(running.output)
