"""Scenario `latency`: from a picture's last packet in to its last packet out, in milliseconds.

In: a tap between camera and relay (`tests.bench.tap`) notes when it hands the packet on. Out: the
kernel's own time stamp of the datagram at the viewer's socket (SO_TIMESTAMPNS), so that the
viewers' own slowness does not count. Which picture is which: the sizes tell, since the media is
encrypted and each relay counts its RTP time from a start of its own.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from gateway.demo.config_files import free_port
from tests.bench.measure import (
    SETTLE_S,
    ViewerProcess,
    alternate,
    log,
    machine,
    playing,
    select_relays,
)
from tests.bench.relays import Relay
from tests.bench.testbed import Load, NotStarted, Testbed, python

Pictures = Sequence[Sequence[int]]
"""RTP time, bytes, ns since 1970."""

FURTHEST = 75
"""Pictures by which the two lists may be shifted."""

LIKENESS = 0.9
"""The least correlation of sizes that counts as the same pictures."""


def delays_ms(came_in: Pictures, went_out: Pictures) -> list[float]:
    """Return what each picture took; empty if the two lists do not match.

    The first and the last of each list may be incomplete and are left out.
    """
    came_in, went_out = came_in[1:-1], went_out[1:-1]
    best = LIKENESS
    found: list[float] = []
    for shift in range(-FURTHEST, FURTHEST + 1):
        pairs = list(zip(came_in[max(0, shift) :], went_out[max(0, -shift) :], strict=False))
        if len(pairs) < max(10, len(went_out) // 2):
            continue
        sizes = [(before[1], after[1]) for before, after in pairs]
        likeness = statistics.correlation(*map(list, zip(*sizes, strict=True)))
        if likeness > best:
            best = likeness
            found = [(after[2] - before[2]) / 1e6 for before, after in pairs]
    return found


def once(relay: Relay, load: Load, seconds: float) -> list[float]:
    """Return the delays of one round; empty, aloud, if there are none."""
    with Testbed() as testbed:
        try:
            camera = urlsplit(testbed.camera(load))
            ports = [free_port() for _ in range(load.streams)]
            tap = ViewerProcess(
                testbed.start(python("tests.bench.tap", camera.port, *ports), says="listening")
            )
            urls = [f"rtsp://127.0.0.1:{port}{camera.path}" for port in ports]
            with playing(testbed, relay, load, urls, "--pictures") as (_, crowd):
                time.sleep(SETTLE_S)
                tap.query("pictures"), crowd.query("pictures")
                time.sleep(seconds)
                before, after = tap.query("pictures"), crowd.query("pictures")
        except NotStarted as error:
            log(f"{relay.name} with {load.streams} streams: {error}")
            return []
    found = [delays_ms(came, went) for came, went in zip(before, after, strict=True)]
    unmatched = sum(not each for each in found)
    if unmatched:
        log(f"{relay.name}: {unmatched} of {load.streams} streams could not be matched")
    return [delay for each in found for delay in each]


def latency(
    names: str | None, loads: Sequence[Load], rounds: int, seconds: float
) -> dict[str, Any]:
    """Return the percentiles of each relay under each load."""
    relays = select_relays(names)
    results = []
    for load in loads:
        seen: dict[str, list[float]] = defaultdict(list)
        for _, relay in alternate(relays, rounds):
            seen[relay.name] += once(relay, load, seconds)
            log(f"{relay.name}, {load.streams} streams: {len(seen[relay.name])} pictures")
        for name, delays in seen.items():
            if len(delays) < 100:
                continue
            cuts = statistics.quantiles(delays, n=100)
            results.append(
                {
                    "relay": name,
                    "streams": load.streams,
                    "pictures": len(delays),
                    "p50_ms": round(cuts[49], 2),
                    "p95_ms": round(cuts[94], 2),
                    "p99_ms": round(cuts[98], 2),
                    "max_ms": round(max(delays), 2),
                }
            )
    return {
        "scenario": "latency",
        "mbps": loads[0].kbps / 1000,
        "beside": loads[0].beside,
        "rounds": rounds,
        "machine": machine(),
        "results": results,
    }
