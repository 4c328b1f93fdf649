"""go2rtc, where its program is on PATH or named by GO2RTC."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.testbed import Testbed, await_port


class Go2rtc:
    """A Go program of AlexxIT."""

    name = "go2rtc"
    joins = True

    def absent(self) -> str | None:
        """Look for the program."""
        if _program():
            return None
        return "go install github.com/AlexxIT/go2rtc@latest, or name the program in GO2RTC"

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:  # noqa: ARG002
        """Start it with its WHEP endpoint (``/api/webrtc``) on loopback."""
        port, media = free_port(), free_port()
        config = testbed.folder / "go2rtc.yaml"  # JSON is YAML
        document = {
            "api": {"listen": f"127.0.0.1:{port}"},
            "rtsp": {"listen": ""},
            "srtp": {"listen": ""},
            "webrtc": {"listen": f":{media}", "ice_servers": []},
            "log": {"level": "warn"},
            "streams": {f"c{number}": url for number, url in enumerate(cameras)},
        }
        config.write_text(json.dumps(document))
        process = testbed.start([str(_program()), "-config", str(config)], quiet=True)
        await_port(port)
        return Running(process.pid, f"whep:http://127.0.0.1:{port}/api/webrtc?src=c{{camera}}")


def _program() -> str | None:
    return os.environ.get("GO2RTC") or shutil.which("go2rtc")
