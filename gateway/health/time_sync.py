"""Who sets this machine's clock, from which server, and how well: as chrony or systemd tell it.

The kernel (`gateway.health.clock_status`) knows only whether the clock is set at all. Both programs
are asked, neither is told anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

ASKS_S = 5.0
MOST_BYTES = 65_536

CHRONY = ("chronyc", "-n", "-c", "tracking")
TIMESYNCD = ("timedatectl", "timesync-status", "--no-pager")

Run = Callable[[tuple[str, ...]], str | None]


@dataclass(frozen=True, slots=True)
class TimeSync:
    """What sets the clock.

    Attributes:
        program: ``chrony`` or ``systemd-timesyncd``.
        server: Name or address of the server that is followed; empty: none answers.
        offset_ms: By how much our clock is ahead of it, by its last answer; None: it is not told.
        stratum: Of that server; None: likewise.
    """

    program: str
    server: str = ""
    offset_ms: float | None = None
    stratum: int | None = None


def time_sync(run: Run | None = None) -> TimeSync | None:
    """Return what sets the clock; None: neither program runs here, or none may be asked.

    Args:
        run: Returns what a command prints; None: it failed, or there is no such program.
    """
    run = run or _run
    if (told := run(CHRONY)) is not None and (found := parse_chrony(told)) is not None:
        return found
    told = run(TIMESYNCD)
    return None if told is None else parse_timesyncd(told)


def parse_chrony(told: str) -> TimeSync | None:
    """Return what ``chronyc -c tracking`` tells; None: it is no such line.

    Its fields are reference id, server, our stratum, time of the last answer, and by how many
    seconds the system's clock is slow of NTP time (chronyc(1), tracking).
    """
    fields = told.strip().split(",")
    try:
        server, stratum, slow_s = fields[1], int(fields[2]), float(fields[4])
    except (IndexError, ValueError):
        return None
    if fields[-1] == "Not synchronised" or not stratum:
        return TimeSync("chrony")
    return TimeSync("chrony", server[:100], -slow_s * 1000, stratum - 1)


_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0}
_SPAN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(us|ms|min|s|h)")


def parse_timesyncd(told: str) -> TimeSync | None:
    """Return what ``timedatectl timesync-status`` tells; None: it tells nothing of a server."""
    lines = (line.partition(":") for line in told.splitlines())
    values = {key.strip(): text.strip() for key, _, text in lines}
    if "Server" not in values:
        return None
    server, stratum = values["Server"], values.get("Stratum", "")
    if not stratum.isdecimal():  # no packet has come from it yet
        return TimeSync("systemd-timesyncd")
    offset_ms = _span_ms(values.get("Offset", ""))
    # "Offset" is how far the server is ahead of us.
    ours = None if offset_ms is None else -offset_ms
    return TimeSync("systemd-timesyncd", _server(server), ours, int(stratum[:3]))


def _server(text: str) -> str:
    """Return ``NAME (ADDRESS)`` of ``ADDRESS (NAME)``."""
    address, _, name = text[:200].partition(" ")
    name = name.strip("()")
    return f"{name} ({address})" if name and name != address else address


def _span_ms(text: str) -> float | None:
    """Return a time span as systemd writes it, e.g. ``+1min 2.5s``, in milliseconds."""
    parts = _SPAN.findall(text)
    if not parts:
        return None
    ms = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
    return -ms if text.startswith("-") else ms


def _run(command: tuple[str, ...]) -> str | None:
    program = shutil.which(command[0])
    if program is None:
        return None
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASKS_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:MOST_BYTES].decode("utf-8", "replace") if done.returncode == 0 else None
