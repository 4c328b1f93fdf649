"""What a demuxing child costs, and how late pictures come out of it: fed as by a camera."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import aclosing
from typing import Any

import psutil

from gateway.demuxing.messages import FORMATS, ContainerFormat
from gateway.demuxing.process import DemuxProcess, demuxing
from tests.bench.footprint import of_family
from tests.fixtures.containers import RATE, Container, muxed

SIZE = 240, 128
"""Of noise; coded it is 4 Mb/s."""
READ_BYTES = 16_384
SETTLING = 2 * RATE
"""Pictures of which nothing is told: the child warms up."""


def demux(rounds: int, seconds: float) -> dict[str, Any]:
    """Return the figures of each format, of the *rounds* together."""
    return {each: asyncio.run(_format(each, rounds, seconds)) for each in FORMATS}


async def _format(container_format: ContainerFormat, rounds: int, seconds: float) -> dict[str, Any]:
    pictures = SETTLING + round(seconds * RATE)
    made = muxed(container_format, "h264", pictures=pictures, gop=2 * RATE, size=SIZE)
    runs = [_Run(made, container_format) for _ in range(rounds)]
    for run in runs:
        await run.measure()
    cuts = statistics.quantiles([each for run in runs for each in run.late_ms()], n=100)
    return {
        "mbps": round(len(made.data) * 8 * RATE / pictures / 1e6, 2),
        "child_cpu_percent": [round(run.cpu_percent, 2) for run in runs],
        "start_ms": [round(run.start_ms) for run in runs],
        "late_ms": {str(each): round(cuts[each - 1], 2) for each in (50, 90, 99)},
        "behind": "the begin of the next picture" if runs[0].held else "its last byte",
        **runs[-1].memory,
    }


class _Run:
    """One child, from its start to the end of the container."""

    def __init__(self, made: Container, container_format: ContainerFormat) -> None:
        self._made, self._format = made, container_format
        self._sent_s: list[float] = []
        self._got_s: list[float] = []
        self.held = int(container_format != "flv")  # MP4's muxer writes one when the next comes
        self.cpu_percent = self.start_ms = 0.0
        self.memory: dict[str, float | None] = {}

    async def measure(self) -> None:
        """Run."""
        began_s = time.monotonic()
        async with demuxing(self._format) as child:
            self.start_ms = (time.monotonic() - began_s) * 1000
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(child), name="send")
                async with aclosing(child.units()) as units:
                    async for _ in units:
                        self._got_s.append(time.monotonic())

    async def _send(self, child: DemuxProcess) -> None:
        process = psutil.Process(child.pid)
        began_s, at, used_s = time.monotonic(), 0, 0.0
        for number, end in enumerate(self._made.ends):
            await asyncio.sleep(max(0.0, began_s + number / RATE - time.monotonic()))
            if number == SETTLING:
                used_s = sum(process.cpu_times()[:2])
            self._sent_s.append(time.monotonic())
            while at < end:
                upto = min(at + READ_BYTES, end)
                await child.write(self._made.data[at:upto])
                at = upto
        took_s = (len(self._made.ends) - SETTLING) / RATE
        self.cpu_percent = (sum(process.cpu_times()[:2]) - used_s) / took_s * 100
        self.memory = of_family(child.pid).rounded()
        child.finish()

    def late_ms(self) -> list[float]:
        """Return for each picture how long behind what completes it it came out."""
        sent = self._sent_s[self.held :]
        pairs = list(zip(self._got_s, sent, strict=False))[SETTLING:]
        return [(got - had) * 1000 for got, had in pairs]
