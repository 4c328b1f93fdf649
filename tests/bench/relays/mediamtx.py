"""MediaMTX, where its program is on PATH or named by MEDIAMTX."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.testbed import Testbed, await_port


class MediaMtx:
    """A Go program of bluenviron."""

    name = "mediamtx"
    joins = True

    def absent(self) -> str | None:
        """Look for the program."""
        return None if _program() else "put its release on PATH, or name the program in MEDIAMTX"

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:  # noqa: ARG002
        """Start it with its WHEP endpoint on loopback, cameras pulled on demand."""
        port, media = free_port(), free_port()
        config = testbed.folder / "mediamtx.yml"  # JSON is YAML
        document = {
            "logLevel": "warn",
            **dict.fromkeys(("rtsp", "rtmp", "hls", "srt", "moq", "api", "metrics"), False),
            "webrtc": True,
            "webrtcAddress": f"127.0.0.1:{port}",
            "webrtcLocalUDPAddress": f":{media}",
            "webrtcICEServers2": [],
            "paths": {
                f"c{number}": {
                    "source": url,
                    "sourceOnDemand": True,
                    "rtspTransport": "tcp",
                }
                for number, url in enumerate(cameras)
            },
        }
        config.write_text(json.dumps(document))
        process = testbed.start(
            [str(_program()), str(config)],
            quiet=True,
            where=testbed.folder,  # it writes a key there
        )
        await_port(port)
        return Running(process.pid, f"whep:http://127.0.0.1:{port}/c{{camera}}/whep")


def _program() -> str | None:
    found = os.environ.get("MEDIAMTX") or shutil.which("mediamtx")
    return None if found is None else str(Path(found).absolute())
