"""The testbed of a measurement: a private folder, processes, and a camera by GStreamer.

Every process that was started here is ended here, by its process id, whatever happens.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import psutil

from gateway.demo.config_files import free_port

HERE = Path(__file__).parent
START_S = 20.0
END_S = 10.0
BURNER = "data, table = bytes(8 << 20), bytes(range(256))\nwhile True: data.translate(table)"


class NotStarted(Exception):
    """A part of the measurement did not come up; the message says which."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is relayed.

    Attributes:
        streams: Cameras.
        viewers: Of all cameras together; viewer n watches camera n modulo *streams*.
        kbps: Of each camera.
        gop: Pictures between keyframes, of 25 a second.
        mtu: Of the camera's RTP packets.
        obedient: Whether the camera makes a keyframe for whoever asks by RTCP.
        busy: Programs beside that burn a core each, and the processor's caches with it.
        beside: A job of `tests.bench.transcode` whose camera is watched, and so transcoded, beside;
            only by ours. None: nothing is.
        source: How ours pulls the cameras: ``tcp`` or ``udp``; the others as they do.
    """

    streams: int
    viewers: int
    kbps: int = 4_000
    gop: int = 50
    mtu: int = 1_400
    obedient: bool = False
    busy: int = 0
    beside: str | None = None
    source: str = "tcp"


class Testbed:
    """A folder and processes, gone when the ``with`` block ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.folder = Path()

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="gateway-bench-")))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(
        self,
        command: Sequence[str],
        *,
        says: str | None = None,
        talks: bool = False,
        quiet: bool = False,
        environment: Mapping[str, str] | None = None,
        where: Path = HERE.parents[1],
    ) -> subprocess.Popen[str]:
        """Start *command*; return when it has said the line *says*.

        Args:
            command: Program and arguments.
            says: None: it is not waited for.
            talks: Whether the caller reads what it prints.
            quiet: Whether what it says of errors is put away.
            environment: Beside what it has from us.
            where: In which folder.

        Raises:
            NotStarted: It has said something else, or ended.
        """
        errors = (self.folder / "errors.log").open("a") if quiet else None
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if says or talks else subprocess.DEVNULL,
            stderr=errors,
            text=True,
            cwd=where,
            env={**os.environ, **(environment or {})},
        )
        self._stack.callback(_end, process)
        if errors is not None:
            errors.close()
        if says is not None:
            assert process.stdout is not None
            while (line := process.stdout.readline()) and line != says + "\n":
                pass
            if not line:
                raise NotStarted(f"{' '.join(map(str, command[:4]))} did not say {says!r}")
        return process

    def burn(self, count: int) -> None:
        """Start *count* programs that burn a core and 8 MiB of cache each until the end."""
        for _ in range(count):
            self.start([sys.executable, "-c", BURNER])

    def camera(self, load: Load) -> str:
        """Start GStreamer's RTSP server; return the URL of its one camera."""
        port = free_port()
        command = ["/usr/bin/python3", str(HERE / "rtsp_load.py"), str(port), str(load.kbps)]
        command += [str(load.gop), str(load.mtu), *(["obedient"] if load.obedient else [])]
        self.start(command, says="listening")
        return f"rtsp://127.0.0.1:{port}/load"


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def await_port(port: int) -> None:
    """Return as soon as something listens on *port* of loopback.

    Raises:
        NotStarted: Nothing does in time.
    """
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise NotStarted(f"nothing listens on port {port}")


def python(module: str, *arguments: object) -> list[str]:
    """Return the command that runs *module* of this tree with our Python."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all below it."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def await_settled(pid: int, calm_s: float) -> None:
    """Return when process and children have been the same ones for *calm_s*.

    At its start the gateway tries encoders, each in a child; what has ended is not in `cpu_s`.

    Raises:
        NotStarted: They never are.
    """
    seen: set[int] = set()
    began_s = since_s = time.monotonic()
    while time.monotonic() - since_s < calm_s:
        time.sleep(0.1)
        now = {each.pid for each in family(pid)}
        if now != seen:
            seen, since_s = now, time.monotonic()
        if since_s - began_s > START_S:
            raise NotStarted("its processes come and go")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children, user and system, in seconds.

    From the scheduler's own sums in ns: ``/proc/PID/stat`` counts in steps of 10 ms, which is a
    tenth of what one stream takes in a round. Threads that have ended are not in it.
    """
    return sum(own_cpu_s(process.pid) for process in family(pid))


def own_cpu_s(pid: int) -> float:
    """Return the processor time of one process without its children; 0 once it has ended."""
    total_ns = 0
    with suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                total_ns += int((thread / "schedstat").read_text().split()[0])
    return total_ns / 1e9
