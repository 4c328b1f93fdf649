"""go2rtc, where its program is on PATH or named by GO2RTC."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from typing import Any

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.relays.conversion import FFMPEG, Conversion
from tests.bench.testbed import Testbed, await_port

RTSP_INPUT = (
    "-fflags nobuffer -flags low_delay -timeout {timeout} -user_agent go2rtc/ffmpeg "
    "-rtsp_flags prefer_tcp -i {input}"
)
"""Its own template, of version 1.9.14."""


class Go2rtc:
    """A Go program of AlexxIT.

    Args:
        conversion: What FFmpeg makes of each camera for it; None: cameras are relayed as they are.
    """

    name = "go2rtc"
    joins = True

    def __init__(self, conversion: Conversion | None = None) -> None:
        self._conversion = conversion

    def absent(self) -> str | None:
        """Look for the program."""
        if _program():
            return None
        return "go install github.com/AlexxIT/go2rtc@latest, or name the program in GO2RTC"

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:  # noqa: ARG002
        """Start it with its WHEP endpoint (``/api/webrtc``) on loopback."""
        port, media = free_port(), free_port()
        config = testbed.folder / "go2rtc.yaml"  # JSON is YAML
        config.write_text(json.dumps(self.configuration(port, media, cameras)))
        process = testbed.start([str(_program()), "-config", str(config)], quiet=True)
        await_port(port)
        return Running(process.pid, f"whep:http://127.0.0.1:{port}/api/webrtc?src=c{{camera}}")

    def configuration(self, port: int, media: int, cameras: Sequence[str]) -> dict[str, Any]:
        """Return its configuration: WHEP on TCP *port*, media on UDP port *media*."""
        return {
            "api": {"listen": f"127.0.0.1:{port}"},
            **self._publishing(),
            "srtp": {"listen": ""},
            "webrtc": {"listen": f":{media}", "ice_servers": []},
            "log": {"level": "warn"},
            "streams": {f"c{number}": self._source(url) for number, url in enumerate(cameras)},
        }

    def _publishing(self) -> dict[str, Any]:
        """Return where FFmpeg publishes to, and how it is started beside what go2rtc says."""
        if self._conversion is None:
            return {"rtsp": {"listen": ""}}
        options = " ".join((*self._conversion.input_options, RTSP_INPUT))
        return {
            "rtsp": {"listen": f"127.0.0.1:{free_port()}"},
            "ffmpeg": {"bin": FFMPEG, "rtsp": options},
        }

    def _source(self, url: str) -> str:
        """Return what is pulled for the camera at *url*.

        Codec, preset, GOP and profile are go2rtc's own and the same as those of `Conversion`; it
        bounds the rate more tightly, to *kbps* over a second.
        """
        told = self._conversion
        if told is None:
            return url
        lines = told.output.height
        if told.settings.interlaced:
            size = f"raw=-vf {told.filters}"
        else:
            size = f"height={lines}" + (":flags=area" if told.manner == "tuned" else "")
        threads = "#raw=-threads 1" if told.manner == "tuned" else ""
        return f"ffmpeg:{url}#video=h264#{size}{threads}#bitrate={told.kbps}k"


def _program() -> str | None:
    return os.environ.get("GO2RTC") or shutil.which("go2rtc")
