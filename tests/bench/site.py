"""A whole site on loopback for measuring: foreign cameras, broker, the real gateway, viewers.

Every part is a process of its own, so that the gateway's figures are the gateway's alone.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from gateway.demo.papers import free_port

HERE = Path(__file__).parent
GATEWAY = "bench-site"


@dataclass(frozen=True, slots=True)
class Load:
    """What is relayed.

    Attributes:
        streams: Cameras.
        viewers: Of all cameras together.
        kbps: Of each camera.
        gop: Pictures between keyframes, of 25 a second.
        mtu: Of the camera's RTP packets.
    """

    streams: int
    viewers: int
    kbps: int = 4_000
    gop: int = 50
    mtu: int = 1_400


def _settings(folder: Path, load: Load, rtsp: int, broker: int) -> Path:
    cameras = [
        {
            "id": f"c{number:03d}",
            "name": f"Camera {number}",
            "streams": [{"url": f"rtsp://127.0.0.1:{rtsp}/load", "transport": "tcp"}],
        }
        for number in range(load.streams)
    ]
    limits = {"viewers": 1000, "viewers_per_camera": 1000}
    document = {"version": 1, "cameras": cameras, "limits": limits}
    (folder / "site.json").write_text(json.dumps(document))
    settings = folder / "gateway.toml"
    settings.write_text(
        f'[gateway]\nid = "{GATEWAY}"\nprovince = "79"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {broker}\n'
        f'[state]\ndir = "{folder}"\n'
        f'[cameras]\nnetworks = ["127.0.0.0/8"]\nports = [{rtsp}]\n'
        '[log]\nlevel = "warning"\nformat = "console"\n'
    )
    return settings


class Site:
    """The running processes."""

    def __init__(self, gateway: psutil.Process, receiver: subprocess.Popen[str]) -> None:
        self.gateway = gateway
        self._receiver = receiver

    def counts(self) -> dict[str, int]:
        """Return what the viewers have received so far."""
        assert self._receiver.stdin is not None
        assert self._receiver.stdout is not None
        self._receiver.stdin.write("\n")
        self._receiver.stdin.flush()
        counts: dict[str, int] = json.loads(self._receiver.stdout.readline())
        return counts

    def cpu_s(self) -> float:
        """Return the processor time of the gateway and its children, user and system."""
        spent = 0.0
        for process in (self.gateway, *self.gateway.children(recursive=True)):
            times = process.cpu_times()
            spent += times.user + times.system
        return spent


@contextmanager
def running(load: Load) -> Iterator[Site]:
    """Start everything; yield when every viewer is being sent packets; end everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="camera-gateway-bench-")))
        rtsp, broker = free_port(), free_port()
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {broker} 127.0.0.1\nallow_anonymous true\n")
        _start(stack, ["/usr/sbin/mosquitto", "-c", str(config)], quiet=True)
        camera = ["/usr/bin/python3", str(HERE / "rtsp_load.py"), str(rtsp)]
        source = _start(stack, [*camera, str(load.kbps), str(load.gop), str(load.mtu)])
        _await_line(source, "listening")
        settings = _settings(folder, load, rtsp, broker)
        command = [sys.executable, "-m", "gateway", "run", "--settings", str(settings)]
        gateway = _start(stack, command)
        viewers = [sys.executable, "-m", "tests.bench.receiver", str(broker), GATEWAY]
        _await_port(broker)
        receiver = _start(stack, [*viewers, str(load.viewers), str(load.streams)])
        _await_line(receiver, "ready")
        yield Site(psutil.Process(gateway.pid), receiver)


def _start(stack: ExitStack, command: list[str], *, quiet: bool = False) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        cwd=HERE.parents[1],
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _await_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != line + "\n":
        sys.exit(f"{process.args!r} did not say {line!r}")


def _await_port(port: int) -> None:
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")
