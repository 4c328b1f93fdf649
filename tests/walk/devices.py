"""A device of the site: ``python -m tests.walk.devices recorder|camera ADDRESS``.

The recorder is scripted (Hikvision's ISAPI, sixteen channels, two without a camera); the camera's
ONVIF and WS-Discovery are ipycam's. Both stream by RTSP. Prints a line once it is there.
"""

from __future__ import annotations

import asyncio
import sys

from ipycam.discovery import WSDiscoveryServer

from gateway.demo.auth import Account
from gateway.demo.encoder import EncoderSettings, record
from gateway.demo.rtsp_server import Recorder
from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from tests.fixtures.onvif_device import MAIN_PATH, SUB_PATH, onvif_device

EMPTY = (7, 12)
CAMERA_ACCOUNT = Account("service", ACCOUNT.password)
NAMES = {1: "Quầy 1 – Tiếp nhận hồ sơ", 2: "Quầy 2 – Đất đai", 16: "Sảnh chờ"}


async def be_recorder(host: str) -> None:
    """Be a recorder at *host* until ended."""
    async with ScriptedRecorder(
        host=host, http_port=80, rtsp_port=554, video=True, unplugged=EMPTY, names=NAMES
    ):
        await _be_there()


async def be_camera(host: str) -> None:
    """Be a camera at *host* until ended."""
    streams = [
        VirtualCamera(
            "Cổng vào",
            record("Cổng vào", EncoderSettings(width=width, height=height, fps=10, gop_s=0.6)),
            path=path,
            account=CAMERA_ACCOUNT,
            behaviour=Behaviour(join="next_keyframe"),
        )
        for path, width, height in ((MAIN_PATH, 640, 360), (SUB_PATH, 320, 180))
    ]
    password = CAMERA_ACCOUNT.password.get_secret_value()
    async with Recorder(streams, host=host, port=554):
        with onvif_device(CAMERA_ACCOUNT.username, password, host=host, port=80) as (_, device):
            device.open_clock = True
            WSDiscoveryServer(device).start()
            await _be_there()


async def _be_there() -> None:
    sys.stdout.write("there\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run({"recorder": be_recorder, "camera": be_camera}[sys.argv[1]](sys.argv[2]))
