"""Scenario `floor`: what reading, cipher and sending cost alone, with no relay around them.

Pictures of one size come over TCP, whole; each is encrypted packet by packet and sent with
segmentation offload in one call, by a program in C (`floor.c`) that does nothing else. There is no
header, no reassembly, no timeline: no relay that uses the kernel's sockets and this cipher takes
less. Three children do the first part, the first two and all three; the differences are the parts.
"""

from __future__ import annotations

import atexit
import json
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gateway.demo.config_files import free_port
from tests.bench.measure import machine
from tests.bench.testbed import Load, NotStarted, Testbed, python

PICTURES_PER_S = 25
PACKET_BYTES = 1_192
"""Header and payload, as the gateway sends them."""

PARTS = ("read", "protect", "send")


def packets_of(load: Load) -> int:
    """Return how many packets of `PACKET_BYTES` the mean picture of *load* is."""
    return max(1, round(load.kbps * 125 / PICTURES_PER_S / PACKET_BYTES))


def camera(port: int, streams: int, packets: int) -> None:
    """Write one picture a period to each of *streams* connections, one after the other."""
    picture = bytes(packets * PACKET_BYTES)
    listener = socket.create_server(("127.0.0.1", port), backlog=streams)
    print("ready", flush=True)
    taken = [listener.accept()[0] for _ in range(streams)]
    step_s = 1 / PICTURES_PER_S / streams
    due_s = time.monotonic()
    while True:
        for each in taken:
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += step_s
            try:
                each.sendall(picture)
            except ConnectionError:  # the relay is done
                return


def viewers(port: int, streams: int) -> None:
    """Drain *streams* ports from *port* on."""
    poll = select.epoll()
    sockets = {}
    for number in range(streams):
        each = socket.socket(type=socket.SOCK_DGRAM)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        each.setblocking(False)
        each.bind(("127.0.0.1", port + number))
        sockets[each.fileno()] = each
        poll.register(each, select.EPOLLIN)
    print("ready", flush=True)
    room = bytearray(65_536)
    while True:
        for descriptor, _ in poll.poll():
            try:
                while True:
                    sockets[descriptor].recv_into(room)
            except BlockingIOError:
                continue


@cache
def _program() -> Path:
    """Compile the floor, once a run, into a folder that goes with us."""
    folder = tempfile.TemporaryDirectory(prefix="gateway-floor-")
    atexit.register(folder.cleanup)
    built = Path(folder.name) / "floor"
    source = Path(__file__).with_suffix(".c")
    words = ["cc", "-O2", "-Wall", "-o", str(built), str(source), "-l:libcrypto.so.3"]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"the floor cannot be compiled: {done.stderr.strip()[-500:]}")
    return built


def _measured(load: Load, parts: int, seconds: float) -> float:
    """Return µs per packet of the first *parts*."""
    source, viewer, packets = free_port(), free_port(), packets_of(load)
    with Testbed() as testbed:
        module = "tests.bench.floor"
        testbed.start(python(module, "viewers", viewer, load.streams), says="ready")
        testbed.start(python(module, "camera", source, load.streams, packets), says="ready")
        figures = (source, viewer, load.streams, packets, parts, seconds)
        asked = [str(_program()), *map(str, figures)]
        done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise NotStarted(f"the floor with {load.streams} streams ended by itself")
    told = json.loads(done.stdout)
    return float(told["cpu_s"]) / int(told["packets"]) * 1e6


def floor(load: Load, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the least that *load* costs, in all and in parts; medians of *rounds*."""
    seen = [[_measured(load, parts, seconds) for parts in (1, 2, 3)] for _ in range(rounds)]
    middle = [statistics.median(column) for column in zip(*seen, strict=True)]
    shares = [middle[0], middle[1] - middle[0], middle[2] - middle[1]]
    return {
        "scenario": "floor",
        "streams": load.streams,
        "mbps": load.kbps / 1000,
        "rounds": rounds,
        "machine": machine(),
        "us_per_packet": round(middle[2], 2),
        "parts_us": {part: round(share, 2) for part, share in zip(PARTS, shares, strict=True)},
    }


ROLES: Mapping[str, Callable[..., None]] = {"camera": camera, "viewers": viewers}

if __name__ == "__main__":
    role, *numbers = sys.argv[1:]
    ROLES[role](*map(int, numbers))
