"""Scenario `slates`: what the child takes that makes slates, for so many different ones at once.

Different kinds of camera, each with reasons of their own: what viewers add is the relay's cost.
Processor time is the child's, per slate and second; memory is the child's after that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import psutil

from gateway.model.reasons import Reason
from gateway.rtp.video_info import VideoInfo
from gateway.runtime.clock import SystemClock
from gateway.slates.service import SlateService
from gateway.slates.slate_format import SlateCodec
from gateway.streams.reader import Reader
from tests.bench import footprint
from tests.bench.measure import log, machine

SIZES = {"1080p": (1920, 1080), "D1": (704, 576)}
CODECS: tuple[SlateCodec, ...] = ("h264", "h265")
FIRST_S = 3.0
"""Until all have had their first keyframes."""


async def measure(codec: SlateCodec, size: str, count: int, seconds: float) -> dict[str, Any]:
    """Return what *count* slates take, of so many reasons."""
    clock = SystemClock()
    service = SlateService(codec, payload_bytes=lambda: 1180, clock=clock)
    picture = VideoInfo(*SIZES[size], "", 100, "4.1", 0, False)
    sizes: list[int] = []

    def take(size_bytes: int) -> bool:
        sizes.append(size_bytes)
        return True

    readers = []
    running = asyncio.create_task(service.run(), name="slates")
    made = 0
    for reason in list(Reason)[:count]:
        slate = service.find(picture, reason)
        if slate is not None:
            readers.append((slate.stream, Reader(lambda unit: take(unit.size_bytes))))
            slate.stream.attach(readers[-1][1])
            made += 1
    await asyncio.sleep(FIRST_S)
    assert service.pid is not None
    child = psutil.Process(service.pid)
    sizes.clear()
    before, before_s = sum(child.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(seconds)
    spent_s = sum(child.cpu_times()[:2]) - before
    lasted_s = time.monotonic() - before_s
    memory = footprint.of_family(service.pid)
    running.cancel()
    await asyncio.wait([running])
    found = {
        "codec": codec,
        "size": size,
        "asked": count,
        "made": made,
        "cpu_ms_per_slate_second": round(spent_s * 1000 / lasted_s / made, 1),
        "kbps_per_slate": round(sum(sizes) * 8 / 1000 / lasted_s / made, 1),
        "rss_mb": memory.rss_mb,
        "uss_mb": memory.uss_mb,
    }
    log(str(found))
    return found


def slates(counts: Sequence[int], seconds: float) -> dict[str, Any]:
    """Return what slates take, *counts* of them at once."""
    found = [
        asyncio.run(measure(codec, size, count, seconds))
        for codec in CODECS
        for size in SIZES
        for count in counts
    ]
    return {"bench": "slates", "machine": machine(), "found": found}
