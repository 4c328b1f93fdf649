"""A hostile camera beside an honest one: what the gateway's loop, processor and memory suffer.

The cameras are served by this process. The gateway's side (supervisor, source, stream) runs in a
child of its own, so that only its work is measured: `python -m tests.bench.attack URL URL SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from urllib.parse import urlsplit

from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.runtime.supervise import supervise
from gateway.sources.registry import url_policy
from gateway.sources.rtsp_source import RtspSource
from gateway.streams.gop_cache import GopCache
from gateway.streams.stream import Stream
from tests.attack.all_attackers import attacked
from tests.attack.cameras import ATTACKS, IDR, PPS, SPS, Attack, hostile_camera, rtp

NETWORKS = (ip_network("127.0.0.0/8"),)
FPS = 25
SAMPLE_S = 0.005
WARM_UP_S = 1.0
FIRST_PICTURE_S = 20.0


def honest_pictures() -> Iterator[bytes]:
    """One picture of 10 kB a chunk, a keyframe every second: 2 Mb/s at 25 a second."""
    seq = 0
    for number in range(1 << 30):
        time_90k = number * 90_000 // FPS
        slices = [b"\x5c\x01" + bytes(1_200)] * 8
        slices[0], slices[-1] = b"\x5c\x81\x9a" + bytes(1_200), b"\x5c\x41" + bytes(1_200)
        payloads = [SPS, PPS, IDR + bytes(1_200)] if number % FPS == 0 else slices
        chunk = b""
        for index, payload in enumerate(payloads):
            chunk += rtp(seq, time_90k, payload, marker=index == len(payloads) - 1)
            seq += 1
        yield chunk


HONEST = Attack(honest_pictures, frozenset())


@dataclass
class _Lag:
    """Samples how late the loop is."""

    late_ms: list[float] = field(default_factory=list)

    async def run(self) -> NoReturn:
        while True:
            begun_s = time.monotonic()
            await asyncio.sleep(SAMPLE_S)
            self.late_ms.append((time.monotonic() - begun_s - SAMPLE_S) * 1000)


class _Watched(Stream):
    """A stream that notes the gaps between its pictures."""

    def __init__(self, source: RtspSource, clock: SystemClock) -> None:
        gop = GopCache(limit_bytes=8 << 20, limit_s=12)
        super().__init__(source, warm=True, linger_s=5, gop=gop, clock=clock)

    def gap_s(self) -> float:
        """Return how long ago the newest picture came."""
        last_s = self.last_unit_s
        return float("inf") if last_s is None else time.monotonic() - last_s


def _stream(url: str, clock: SystemClock) -> _Watched:
    port = urlsplit(url).port
    assert port is not None
    config = StreamConfig.model_validate({"url": url, "stall_s": 10})
    camera = CameraConfig(id="c1", name="c1", streams=(config,))
    source = RtspSource(
        camera,
        config,
        password=None,
        policy=url_policy(NETWORKS, (port,)),
        login_limiter=LoginLimiter(clock),
        payload_bytes=1_180,
        clock=clock,
    )
    return _Watched(source, clock)


async def _gateway_side(honest: str, hostile: str, seconds: float) -> dict[str, Any]:
    clock, lag = SystemClock(), _Lag()
    well, ill = _stream(honest, clock), _stream(hostile, clock)
    ended: list[str] = []

    class Note:
        def on_failure(self, error: Exception, again_in_s: float) -> None:  # noqa: ARG002
            ended.append(str(getattr(error, "reason", error)))

    tasks = [asyncio.create_task(supervise(well.pull, name="honest", clock=clock), name="honest")]
    async with asyncio.timeout(FIRST_PICTURE_S):
        await well.until_opened()
    await asyncio.sleep(WARM_UP_S)
    units = well.counters.units
    rss, cpu_s = _rss_mb(), time.process_time()
    tasks.append(
        asyncio.create_task(
            supervise(ill.pull, name="hostile", clock=clock, observer=Note()), name="hostile"
        )
    )
    tasks.append(asyncio.create_task(lag.run(), name="lag"))
    begun_s, gap_s = time.monotonic(), 0.0
    while time.monotonic() - begun_s < seconds:
        await asyncio.sleep(0.01)
        gap_s = max(gap_s, well.gap_s())
    took_s = time.monotonic() - begun_s
    late = sorted(lag.late_ms)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return {
        "ended": sorted(set(ended)),
        "sessions": len(ended),
        "lag_p50_ms": round(late[len(late) // 2], 1),
        "lag_p99_ms": round(late[len(late) * 99 // 100], 1),
        "lag_max_ms": round(late[-1], 1),
        "cpu_percent": round((time.process_time() - cpu_s) / took_s * 100, 1),
        "rss_growth_mb": round(_rss_mb() - rss, 1),
        "honest_gap_ms": round(gap_s * 1000),
        "honest_pictures_per_s": round((well.counters.units - units) / took_s, 1),
    }


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def _measure(name: str, seconds: float, bytes_per_s: float) -> dict[str, Any]:
    async with (
        hostile_camera(HONEST, chunks_per_s=FPS) as honest,
        hostile_camera(ATTACKS[name], bytes_per_s=bytes_per_s) as hostile,
    ):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.attack",
            honest.url,
            hostile.url,
            str(seconds),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await child.communicate()
        assert child.returncode == 0, name
        sent = {"sent_mb": round(hostile.sent_bytes / 1e6, 1)}
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return {"attack": name} | found | sent


def attack(names: str | None, seconds: float, mbps: float | None) -> Iterator[dict[str, Any]]:
    """Yield what each attack does, one after the other.

    Args:
        names: Of `ATTACKS`, separated by commas; None: all.
        seconds: Of each.
        mbps: How much the hostile camera sends; None: as much as is taken.
    """
    bytes_per_s = float("inf") if mbps is None else mbps * 125_000
    for name in names.split(",") if names else ATTACKS:
        yield asyncio.run(_measure(name, seconds, bytes_per_s))


def attack_together(seconds: float, mbps: float) -> dict[str, Any]:
    """Return what hostile cameras, viewers and strangers do to a whole gateway at once."""
    with TemporaryDirectory() as folder:
        return asyncio.run(attacked(Path(folder), seconds=seconds, mbps=mbps)).told()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_gateway_side(sys.argv[1], sys.argv[2], float(sys.argv[3])))))
