"""Two virtual cameras of one recorder, in the guest: ``PORT PASSWORD_FILE NAME...``.

Runs with the Python of the installed release, from a folder of its own.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pydantic import SecretStr

from gateway.demo.auth import Account
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from tests.machines.guest.footage import FOOTAGE, read_footage


async def serve(port: int, password: str, names: list[str]) -> None:
    """Serve the cameras *names* until ended."""
    account = Account("gateway", SecretStr(password))
    footage = read_footage(FOOTAGE / "h264.json")
    behaviour = Behaviour(join="next_keyframe", session_timeout_s=300)
    cameras = [
        VirtualCamera(name, footage, path=f"/{name}", account=account, behaviour=behaviour)
        for name in names
    ]
    await Recorder(cameras, port=port).run()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_text(), sys.argv[3:]))
