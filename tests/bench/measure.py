"""One measurement: a relay at work for some seconds, seen from outside."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.bench import footprint, job_camera
from tests.bench.footprint import Footprint
from tests.bench.relays import Relay, Running, known
from tests.bench.testbed import Load, Testbed, cpu_s, python

RelayT = TypeVar("RelayT")

SETTLE_S = 3.0
CALM_S = 2.0


class ViewerProcess:
    """The viewers' process (`tests.bench.receiver`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def query(self, question: str) -> Any:
        """Return its answer to ``counts`` or ``pictures``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@dataclass(frozen=True, slots=True)
class Round:
    """What was seen in one round.

    Attributes:
        us_per_packet: Processor time of the relay for each packet out, user and system, in µs.
        cpu_percent: Of one core.
        packets_per_s: Packets out, all viewers together.
        delivered_mbps: Bytes out, all viewers together.
        memory: Of the relay and its children, at the end.
        lost: Packets missing at the viewers.
    """

    us_per_packet: float
    cpu_percent: float
    packets_per_s: float
    delivered_mbps: float
    memory: Footprint
    lost: int


@contextmanager
def playing(
    testbed: Testbed, relay: Relay, load: Load, cameras: list[str], *options: str
) -> Iterator[tuple[Running, ViewerProcess]]:
    """Start *relay* and its viewers; yield when all are being sent packets."""
    beside = [] if load.beside is None else job_camera.start(testbed, [load.beside])
    running = relay.start(testbed, [*cameras, *beside], load.viewers + len(beside))
    # Some relays ask each camera how it is when they start, and GStreamer answers 503 to who comes
    # while it takes its pipeline down after such a visit.
    time.sleep(CALM_S)
    if beside:
        first = f"--first={len(cameras)}"
        other = python("tests.bench.receiver", running.dialect, 1, 1, first)
        testbed.start(other, says="ready")
    command = python("tests.bench.receiver", running.dialect, load.viewers, load.streams, *options)
    yield running, ViewerProcess(testbed.start(command, says="ready"))


def observe(running: Running, crowd: ViewerProcess, seconds: float) -> Round:
    """Return what is seen in the next *seconds*."""
    before, spent_s, started_s = crowd.query("counts"), cpu_s(running.pid), time.monotonic()
    time.sleep(seconds)
    after, spent_s = crowd.query("counts"), cpu_s(running.pid) - spent_s
    took_s = time.monotonic() - started_s
    packets = after["packets"] - before["packets"]
    return Round(
        us_per_packet=spent_s / max(1, packets) * 1e6,
        cpu_percent=spent_s / took_s * 100,
        packets_per_s=packets / took_s,
        delivered_mbps=(after["bytes"] - before["bytes"]) * 8 / took_s / 1e6,
        memory=footprint.of_family(running.pid),
        lost=after["missing"] - before["missing"],
    )


def select_relays(names: str | None, *, joining: bool = False, source: str = "tcp") -> list[Relay]:
    """Return the relays to measure; those left out are named, with the reason, on stderr.

    Args:
        names: Separated by commas; None for all.
        joining: Whether viewers must be able to join by themselves.
        source: How ours pulls the cameras.
    """
    every = known(source)
    wanted = list(every) if names is None else names.split(",")
    unknown = [name for name in wanted if name not in every]
    if unknown:
        sys.exit(f"bench: no relay {', '.join(unknown)}; there are {', '.join(every)}")
    found = []
    for name in wanted:
        reason = every[name].absent()
        if reason is None and joining and not every[name].joins:
            reason = "it pushes; nobody can join"
        if reason is None:
            found.append(every[name])
        else:
            log(f"left out: {name} ({reason})")
    return found


def alternate(relays: list[RelayT], rounds: int) -> Iterator[tuple[int, RelayT]]:
    """Yield each relay once a round, each round beginning with another one."""
    for number in range(rounds):
        first = number % len(relays)
        for relay in relays[first:] + relays[:first]:
            yield number, relay


def machine() -> str:
    """Return what this runs on."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0))
    python_s = f"Python {platform.python_version()}"
    return f"{platform.machine()}, {model}, {cores} cores, Linux {platform.release()}, {python_s}"


def log(text: str) -> None:
    """Tell the person who waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
