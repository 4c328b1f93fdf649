"""Virtual cameras as a process: ``python -m gateway.demo.cameras --count 4``.

Prints one line of JSON when all are open: ids, names, URLs and the control endpoint. The password
comes from a file or from ``CAMERA_PASSWORD``, not from an argument, which every user of the machine
can read; without one there is no authentication. The process ends with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from gateway.demo.auth import Account
from gateway.demo.child_process import die_with_parent
from gateway.demo.encoder import EncoderSettings, LiveFootage, record
from gateway.demo.http_control import CameraEntry, ControlEndpoint
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from gateway.runtime.tcp_server import close_server

NAMES = (
    ("quay1", "Quầy 1 – Tiếp nhận hồ sơ"),
    ("sanhcho", "Sảnh chờ"),
    ("quay7", "Quầy 7 – Trả kết quả"),
    ("congvao", "Cổng vào"),
)


def _further(usual: EncoderSettings) -> Iterator[tuple[str, str, EncoderSettings]]:
    """Yield the cameras of ``--varied``, which browsers cannot show as they are."""
    yield "hoitruong", "Hội trường (H.265)", replace(usual, codec="h265")
    pal = replace(usual, width=720, height=576, interlaced=True, pixel_aspect=(16, 15))
    yield "hanhlang", "Hành lang (D1 xen kẽ)", pal
    yield "baixe", "Bãi xe (khung B)", replace(usual, b_frames=2)
    yield "khocu", "Kho hồ sơ (MJPEG)", replace(usual, codec="mjpeg", bitrate_bps=6_000_000)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    die_with_parent()
    asyncio.run(_serve(_arguments()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.cameras", description=__doc__)
    add = parser.add_argument
    add("--count", type=int, default=4, help="how many cameras")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="first RTSP port; 0 takes free ones")
    add("--one-port", action="store_true", help="all behind one port, as a recorder has them")
    add("--control-port", type=int, default=0)
    add("--username", default="gateway")
    add("--password-file", type=Path)
    add("--varied", action="store_true", help="further ones, which have to be transcoded")
    add("--recorded", action="store_true", help="encode once, then loop: no cost while running")
    add("--codec", choices=("h264", "h265", "mjpeg"), default="h264")
    add("--size", default="640x360", help="width x height")
    add("--fps", type=int, default=25)
    add("--gop", type=float, default=2.0, help="seconds")
    add("--bitrate", type=int, default=1_000_000, help="bits per second")
    add("--noise", action="store_true", help="fill the pictures so that the bitrate is reached")
    return parser.parse_args()


def _password(file: Path | None) -> SecretStr | None:
    text = file.read_text().rstrip("\n") if file else os.environ.pop("CAMERA_PASSWORD", "")
    return SecretStr(text) if text else None


def _cameras(chosen: argparse.Namespace) -> dict[str, VirtualCamera]:
    width, height = map(int, chosen.size.split("x"))
    settings = EncoderSettings(
        chosen.codec, width, height, chosen.fps, chosen.gop, chosen.bitrate, noise=chosen.noise
    )
    password = _password(chosen.password_file)
    account = Account(chosen.username, password) if password else None
    cameras = {}
    for number in range(chosen.count):
        key, name = NAMES[number % len(NAMES)]
        if number >= len(NAMES):
            key, name = f"cam{number + 1}", f"Camera {number + 1}"
        # All cameras share one recording, which is encoded once; it shows no name.
        footage = record("", settings) if chosen.recorded else LiveFootage(name, settings)
        behaviour = Behaviour(join="next_keyframe" if chosen.recorded else "at_once")
        path = f"/Streaming/Channels/{number + 1}01"
        cameras[key] = VirtualCamera(name, footage, path=path, account=account, behaviour=behaviour)
    for key, name, other in _further(settings) if chosen.varied else ():
        # An encoder that makes B-frames holds pictures back; a recording of it does not.
        footage = record(name, other) if other.b_frames else LiveFootage(name, other)
        behaviour = Behaviour(join="next_keyframe" if other.b_frames else "at_once")
        cameras[key] = VirtualCamera(name, footage, account=account, behaviour=behaviour)
    return cameras


async def _serve(chosen: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    cameras = _cameras(chosen)
    groups = [list(cameras)] if chosen.one_port else [[key] for key in cameras]
    entries: dict[str, CameraEntry] = {}
    async with AsyncExitStack() as stack:
        for nth, keys in enumerate(groups):
            port = chosen.port + nth if chosen.port else 0
            recorder = Recorder([cameras[key] for key in keys], host=chosen.host, port=port)
            await stack.enter_async_context(recorder)
            entries |= {key: CameraEntry(key, cameras[key], recorder) for key in keys}
        runner = web.AppRunner(ControlEndpoint(entries).application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        control_server = await asyncio.get_running_loop().create_server(
            runner.server, "127.0.0.1", chosen.control_port
        )
        stack.push_async_callback(close_server, control_server)
        control = f"http://127.0.0.1:{control_server.sockets[0].getsockname()[1]}"
        listed = [
            {key: entry.describe()[key] for key in ("id", "name", "url")}
            for entry in entries.values()
        ]
        sys.stdout.write(json.dumps({"ready": True, "control": control, "cameras": listed}) + "\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    main()
