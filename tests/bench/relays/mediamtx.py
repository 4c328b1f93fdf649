"""MediaMTX, where its program is on PATH or named by MEDIAMTX."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.relays.conversion import FFMPEG, Conversion
from tests.bench.testbed import Testbed, await_port


class MediaMtx:
    """A Go program of bluenviron.

    Args:
        conversion: What FFmpeg makes of each camera for it; None: cameras are relayed as they are.
    """

    name = "mediamtx"
    joins = True

    def __init__(self, conversion: Conversion | None = None) -> None:
        self._conversion = conversion

    def absent(self) -> str | None:
        """Look for the program."""
        return None if _program() else "put its release on PATH, or name the program in MEDIAMTX"

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:  # noqa: ARG002
        """Start it with its WHEP endpoint on loopback, cameras pulled on demand."""
        port, media = free_port(), free_port()
        config = testbed.folder / "mediamtx.yml"  # JSON is YAML
        config.write_text(json.dumps(self.configuration(port, media, cameras)))
        process = testbed.start(
            [str(_program()), str(config)],
            quiet=True,
            where=testbed.folder,  # it writes a key there
        )
        await_port(port)
        return Running(process.pid, f"whep:http://127.0.0.1:{port}/c{{camera}}/whep")

    def configuration(self, port: int, media: int, cameras: Sequence[str]) -> dict[str, Any]:
        """Return its configuration: WHEP on TCP *port*, media on UDP port *media*."""
        return {
            "logLevel": "warn",
            **dict.fromkeys(("rtsp", "rtmp", "hls", "srt", "moq", "api", "metrics"), False),
            **self._publishing(),
            "webrtc": True,
            "webrtcAddress": f"127.0.0.1:{port}",
            "webrtcLocalUDPAddress": f":{media}",
            "webrtcICEServers2": [],
            "paths": {f"c{number}": self._path(url) for number, url in enumerate(cameras)},
        }

    def _publishing(self) -> dict[str, Any]:
        """Return what lets FFmpeg publish to it, where that is wanted."""
        if self._conversion is None:
            return {}
        listen = {"rtspAddress": f"127.0.0.1:{free_port()}", "rtspTransports": ["tcp"]}
        return {"rtsp": True, **listen}

    def _path(self, url: str) -> dict[str, Any]:
        """Return the path of the camera at *url*: pulled, or published by FFmpeg on demand.

        Its documentation has FFmpeg read a path of the server; the camera itself costs less.
        """
        if self._conversion is None:
            return {"source": url, "sourceOnDemand": True, "rtspTransport": "tcp"}
        told = self._conversion
        command = [FFMPEG, "-v", "error", "-nostdin", *told.input_options]
        command += ["-fflags", "nobuffer", "-rtsp_transport", "tcp", "-i", url, "-an"]
        command += ["-vf", told.filters, *told.encoder_options]
        command += ["-f", "rtsp", "-rtsp_transport", "tcp"]
        command.append("rtsp://127.0.0.1:$RTSP_PORT/$MTX_PATH")
        return {"runOnDemand": " ".join(command), "runOnDemandRestart": True}


def _program() -> str | None:
    found = os.environ.get("MEDIAMTX") or shutil.which("mediamtx")
    return None if found is None else str(Path(found).absolute())
