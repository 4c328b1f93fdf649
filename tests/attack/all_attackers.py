"""A whole gateway while hostile cameras, hostile viewers and strangers attack it at once.

Each attacker is a process of its own, so that what an honest viewer sees here is not held up by
their work, but by the gateway's, and by what the machine's processors have left. How much of the
longest answers was waiting for a core is told beside them.

The broker is that of config/broker, with certificates made for the run. Hostile viewers have a
viewer's certificate each and use its listener; the honest viewer speaks through the console.
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
from gateway.model.signalling import Answer, SessionKey
from gateway.mqtt.client.broker import BrokerAddress
from tests.attack.cores import Threads, spent, threads_of
from tests.attack.viewers import HOSTILE_VIEWERS
from tests.fixtures.access import SecuredBroker
from tests.fixtures.broker import Broker
from tests.fixtures.site import OWN, Site, bye, cameras, site
from tests.fixtures.viewer import Viewer

WARM_UP_S = 3.0
OFFER_EVERY_S = 1.0
METRICS_EVERY_S = 0.5
RSS_EVERY_S = 0.2

FIRST = SessionKey("v-test", "session-1")
"""The session of the honest viewer."""

BARS = {
    "honest_gap_s": 1.0,
    "answer_s": 1.0,
    "metrics_s": 1.0,
    "rss_growth_mb": 10.0,
    "logged_mb": 1.0,
}
"""What each figure must be below; the first three are the longest of all."""


@dataclass
class Moment:
    """A moment of the run, from or until which something is measured.

    Attributes:
        at_s: When, on the monotonic clock.
        threads: What the threads of each process had spent by then.
    """

    at_s: float
    threads: dict[str, Threads]


@dataclass
class Found:
    """What was measured.

    Attributes:
        figures: As in `BARS`.
        cores: Of each of the longest answers, by process: the share of its time for which the
            process ran (more than 1 with several threads), and for which it waited for a core.
        sent: What each attacker says that it has sent.
        bugs: What the gateway has contained, from its log.
        offers: How many were answered.
        pictures: Packets that the honest viewer got.
        ended: Why the honest viewer's session was ended by the gateway; empty: it was not.
        load: Of the machine, at the end, over a minute.
    """

    figures: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BARS, 0.0))
    cores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    sent: dict[str, dict[str, int]] = field(default_factory=dict)
    bugs: list[str] = field(default_factory=list)
    offers: int = 0
    pictures: int = 0
    ended: str = ""
    load: float = 0.0

    def at_most(self, name: str, value: float) -> None:
        """Note *value* if it is the largest so far."""
        self.figures[name] = max(self.figures[name], value)

    def took(self, name: str, since: Moment, until: Moment) -> None:
        """Note what passed in between, and who waited for a core, if it is the longest so far."""
        value = until.at_s - since.at_s
        if value <= self.figures[name]:
            return
        self.figures[name] = value
        both = {each: spent(since.threads[each], now) for each, now in until.threads.items()}
        self.cores[name] = {
            each: {
                "ran": round(both[each].ran_s / value, 2),
                "waited": round(both[each].waited_s / value, 2),
            }
            for each in both
        }

    def told(self) -> dict[str, Any]:
        """Return the figures beside their bars, and what the longest answers waited for."""
        return {
            "figures": {
                name: {"is": round(value, 3), "below": BARS[name], "held": value < BARS[name]}
                for name, value in self.figures.items()
            },
            "cores": self.cores,
            "sent": self.sent,
            "bugs": self.bugs,
            "offers": self.offers,
            "pictures": self.pictures,
            "ended": self.ended,
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
        broker: Through which they speak.
    """

    running: Site
    metrics_port: int
    cameras: Process
    bytes_per_s: float
    broker: SecuredBroker

    async def attacked(self, viewer: Viewer, seconds: float) -> Found:
        """Attack for so many *seconds* while *viewer* watches; return what was found."""
        found, running = Found(), self.running
        logged, pictures = len(running.output), len(viewer.packets)
        rate, port = str(self.bytes_per_s), str(self.broker.ports[8884])
        for name in HOSTILE_VIEWERS:
            self.broker.viewers.issue(name)
        folders = str(running.folder), str(self.broker.folder)
        viewers, _ = await _attacker("viewers", *folders, port, rate, "c00")
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
        since = self._now()
        while True:
            viewer.arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await viewer.arrived.wait()
            now = self._now()
            found.took("honest_gap_s", since, now)
            since = now if viewer.arrived.is_set() else since

    async def _offers(self, viewer: Viewer, found: Found) -> NoReturn:
        """Make offers of a person who leaves at once; `viewer.peer` lends its description."""
        sdp = viewer.peer.localDescription.sdp
        while True:
            token, begun = self.running.token(0), self._now()
            said = await self.running.ask(0, sdp, token)
            found.took("answer_s", begun, self._now())
            assert isinstance(said, Answer), said
            found.offers += 1
            self.running.say(bye(self.running.number))
            await asyncio.sleep(OFFER_EVERY_S)

    async def _metrics(self, found: Found) -> NoReturn:
        while True:
            begun = self._now()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.metrics_port)
            writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            page = await reader.read()
            writer.close()
            found.took("metrics_s", begun, self._now())
            assert b" 200 " in page.splitlines()[0], page[:200]
            await asyncio.sleep(METRICS_EVERY_S)

    def _now(self) -> Moment:
        """Return this moment. The viewer is this process, with all that measures."""
        processes = {
            "gateway": self.running.process.pid,
            "broker": self.broker.pid,
            "viewer": os.getpid(),
        }
        at_s = time.monotonic()
        return Moment(at_s, {name: threads_of(pid) for name, pid in processes.items()})

    async def _memory(self, found: Found) -> NoReturn:
        process = psutil.Process(self.running.process.pid)
        before = process.memory_info().rss
        while True:
            found.at_most("rss_growth_mb", (process.memory_info().rss - before) / 1e6)
            await asyncio.sleep(RSS_EVERY_S)


@asynccontextmanager
async def target(folder: Path, broker: SecuredBroker, bytes_per_s: float) -> AsyncIterator[Target]:
    """A whole gateway with an honest camera and hostile ones that are still quiet."""
    hostile, said = await _attacker("cameras", str(bytes_per_s))
    try:
        urls = json.loads(said)
        port = free_port()
        staff = broker.ports[8883]
        async with site(
            folder,
            Broker(folder, port=staff),
            cameras(1),
            address=BrokerAddress(host="127.0.0.1", port=staff, tls=broker.staff.issue("console")),
            tls=broker.staff.issue(f"{OWN.province}/{OWN.gateway}"),
            urls=urls,
            keep="warm",
            more=f"[metrics]\nport = {port}\n",
            env={"CAMERA_GATEWAY__LOG__LEVEL": "info"},
        ) as running:
            yield Target(running, port, hostile, bytes_per_s, broker)
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


async def attacked(folder: Path, *, seconds: float, mbps: float) -> Found:
    """Attack a fresh gateway with *mbps* of each kind; return what was found.

    Afterwards the gateway still runs, the honest viewer is sent pictures or `Found.ended` says why
    not, and another is let in: this raises if not.
    """
    broker = SecuredBroker(folder / "mosquitto")
    await asyncio.to_thread(broker.start)
    try:
        async with target(folder, broker, mbps * 125_000) as ready:
            viewer = await ready.running.watch(0)
            await asyncio.sleep(WARM_UP_S)
            found = await ready.attacked(viewer, seconds)
            if viewer.peer.connectionState == "connected":
                await viewer.until(len(viewer.packets) + 10)
            else:
                found.ended = ready.running.why_ended(FIRST)
            await ready.running.watch(0)  # returns once it is sent pictures
            assert ready.running.process.returncode is None
            return found
    finally:
        await asyncio.to_thread(broker.stop)
