"""A whole gateway while hostile cameras, hostile viewers and strangers attack it at once.

Each attacker is a process of its own, so that what an honest viewer sees here is not held up by
their work, but by the gateway's, and by what the machine's processors have left.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psutil

from gateway.demo.config_files import free_port
from gateway.model.signalling import Answer
from tests.fixtures.broker import Broker
from tests.fixtures.site import Site, bye, cameras, site
from tests.fixtures.viewer import Viewer

WARM_UP_S = 3.0
OFFER_EVERY_S = 1.0
METRICS_EVERY_S = 0.5
RSS_EVERY_S = 0.2

BARS = {
    "honest_gap_s": 1.0,
    "answer_s": 1.0,
    "metrics_s": 1.0,
    "rss_growth_mb": 10.0,
    "logged_mb": 1.0,
}
"""What each figure must be below; the first three are the longest of all."""


@dataclass
class Found:
    """What was measured.

    Attributes:
        figures: As in `BARS`.
        sent: What each attacker says that it has sent.
        bugs: What the gateway has contained, from its log.
        offers: How many were answered.
        pictures: Packets that the honest viewer got.
        load: Of the machine, at the end, over a minute.
    """

    figures: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BARS, 0.0))
    sent: dict[str, dict[str, int]] = field(default_factory=dict)
    bugs: list[str] = field(default_factory=list)
    offers: int = 0
    pictures: int = 0
    load: float = 0.0

    def at_most(self, name: str, value: float) -> None:
        """Note *value* if it is the largest so far."""
        self.figures[name] = max(self.figures[name], value)

    def told(self) -> dict[str, Any]:
        """Return the figures beside their bars."""
        return {
            "figures": {
                name: {"is": round(value, 3), "below": BARS[name], "held": value < BARS[name]}
                for name, value in self.figures.items()
            },
            "sent": self.sent,
            "bugs": self.bugs,
            "offers": self.offers,
            "pictures": self.pictures,
            "load": round(self.load, 1),
        }


@dataclass
class Target:
    """A gateway that is ready to be attacked.

    Attributes:
        running: The site; its first camera is honest, those behind it are hostile.
        metrics_port: Of its measurements.
        cameras: The process of the hostile cameras.
        bytes_per_s: Of each attacker.
    """

    running: Site
    metrics_port: int
    cameras: Process
    bytes_per_s: float

    async def attacked(self, viewer: Viewer, seconds: float) -> Found:
        """Attack for so many *seconds* while *viewer* watches; return what was found."""
        found, running = Found(), self.running
        logged, pictures = len(running.output), len(viewer.packets)
        rate, port = str(self.bytes_per_s), str(running.broker.port)
        viewers, _ = await _attacker("viewers", str(running.folder), port, rate, "c00")
        strangers, _ = await _attacker("strangers", str(running.process.pid), rate)
        attackers = {"cameras": self.cameras, "viewers": viewers, "strangers": strangers}
        measuring = [
            asyncio.create_task(each, name="measuring")
            for each in (
                self._gaps(viewer, found),
                self._offers(viewer, found),
                self._metrics(found),
                self._memory(found),
            )
        ]
        for each in attackers.values():
            _begin(each)
        done, _ = await asyncio.wait(
            measuring, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        for name, each in attackers.items():
            found.sent[name] = await _ended(each)
        for task in measuring:
            task.cancel()
        await asyncio.wait(measuring)
        for task in done:
            task.result()  # none ends by itself: raises
        written = running.output[logged:]
        found.figures["logged_mb"] = sum(len(line.encode()) for line in written) / 1e6
        found.bugs = [line for line in written if '"bug_contained"' in line]
        found.pictures, found.load = len(viewer.packets) - pictures, os.getloadavg()[0]
        return found

    async def _gaps(self, viewer: Viewer, found: Found) -> NoReturn:
        since_s = time.monotonic()
        while True:
            viewer.arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await viewer.arrived.wait()
            now_s = time.monotonic()
            found.at_most("honest_gap_s", now_s - since_s)
            since_s = now_s if viewer.arrived.is_set() else since_s

    async def _offers(self, viewer: Viewer, found: Found) -> NoReturn:
        """Make offers of a person who leaves at once; `viewer.peer` lends its description."""
        sdp = viewer.peer.localDescription.sdp
        while True:
            token, begun_s = self.running.token(0), time.monotonic()
            said = await self.running.ask(0, sdp, token)
            found.at_most("answer_s", time.monotonic() - begun_s)
            assert isinstance(said, Answer), said
            found.offers += 1
            self.running.say(bye(self.running.number))
            await asyncio.sleep(OFFER_EVERY_S)

    async def _metrics(self, found: Found) -> NoReturn:
        while True:
            begun_s = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.metrics_port)
            writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            page = await reader.read()
            writer.close()
            found.at_most("metrics_s", time.monotonic() - begun_s)
            assert b" 200 " in page.splitlines()[0], page[:200]
            await asyncio.sleep(METRICS_EVERY_S)

    async def _memory(self, found: Found) -> NoReturn:
        process = psutil.Process(self.running.process.pid)
        before = process.memory_info().rss
        while True:
            found.at_most("rss_growth_mb", (process.memory_info().rss - before) / 1e6)
            await asyncio.sleep(RSS_EVERY_S)


@asynccontextmanager
async def target(folder: Path, broker: Broker, bytes_per_s: float) -> AsyncIterator[Target]:
    """A whole gateway with an honest camera and hostile ones that are still quiet."""
    hostile, said = await _attacker("cameras", str(bytes_per_s))
    try:
        urls = json.loads(said)
        port = free_port()
        async with site(
            folder,
            broker,
            cameras(1),
            urls=urls,
            keep="warm",
            more=f"[metrics]\nport = {port}\n",
            env={"CAMERA_GATEWAY__LOG__LEVEL": "info"},
        ) as running:
            yield Target(running, port, hostile, bytes_per_s)
    finally:
        if hostile.returncode is None:
            hostile.terminate()
        await hostile.wait()


async def _attacker(name: str, *arguments: str) -> tuple[Process, bytes]:
    """Return an attacker that is ready to begin, and what it has said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.attack.{name}", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    return process, await process.stdout.readline()


def _begin(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def _ended(process: Process) -> dict[str, int]:
    """End an attacker and return its counts."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    async for said in process.stdout:
        if said.startswith(b"{"):  # not a line of its log
            break
    if process.returncode is None:
        process.terminate()
    await process.wait()
    counts: dict[str, int] = json.loads(said)
    return counts


async def attacked(folder: Path, broker: Broker, *, seconds: float, mbps: float) -> Found:
    """Attack a fresh gateway with *mbps* of each kind; return what was found.

    Afterwards the gateway still runs, the honest viewer is still sent pictures, and another is let
    in: this raises if not.
    """
    async with target(folder, broker, mbps * 125_000) as ready:
        viewer = await ready.running.watch(0)
        await asyncio.sleep(WARM_UP_S)
        found = await ready.attacked(viewer, seconds)
        await ready.running.watch(0)  # returns once it is sent pictures
        await viewer.until(len(viewer.packets) + 10)
        assert ready.running.process.returncode is None
        return found
