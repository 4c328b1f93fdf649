"""Scenario `memory`: what a stream takes, and what is left of an hour of visitors.

The hour is scaled down: as many visits as an hour has minutes, one after the other, each with as
many viewers as there are cameras; what grows with visits grows in minutes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from tests.bench.ground import Ground, Load, NotStarted, python, rss_mb
from tests.bench.measure import CALM_S, SETTLE_S, Crowd, chosen, machine, playing, say
from tests.bench.relays import Relay, Running
from tests.bench.throughput import OURS

VISITS = 60
WARM = 5
PICTURES_PER_S = 25


def _steps(relay: Relay, load: Load, streams: Sequence[int]) -> list[tuple[int, float]]:
    found = []
    for number in streams:
        each = Load(number, number, load.kbps, load.gop, load.mtu)
        with Ground() as ground:
            try:
                urls = [ground.camera(each)] * number
                with playing(ground, relay, each, urls) as (running, _):
                    time.sleep(SETTLE_S + 2 * load.gop / PICTURES_PER_S)
                    found.append((number, rss_mb(running.pid)))
            except NotStarted as error:
                say(f"{relay.name} with {number} streams: {error}")
                continue
        say(f"{relay.name}, {number} streams: {found[-1][1]:.1f} MB")
    return found


def _visits(relay: Relay, load: Load, visits: int) -> list[float]:
    """Return the resident memory after each visit, nobody watching."""
    sizes = []
    with Ground() as ground:
        urls = [ground.camera(load)] * load.streams
        running = relay.start(ground, urls, load.streams)
        time.sleep(CALM_S)
        for number in range(visits):
            _visit(ground, running, load)
            sizes.append(rss_mb(running.pid))
            if number % 10 == 9:
                say(f"{relay.name}, visit {number + 1}: {sizes[-1]:.1f} MB")
    return sizes


def _visit(ground: Ground, running: Running, load: Load) -> None:
    """Let a crowd come, get packets, and leave."""
    command = python("tests.bench.receiver", running.dialect, load.viewers, load.streams)
    process = ground.start(command, says="ready")
    Crowd(process).ask("counts")
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def memory(
    names: str | None, load: Load, streams: Sequence[int], visits: int = VISITS
) -> dict[str, Any]:
    """Return resident memory by streams, and how it moves over the visits of an hour."""
    gop_mb = load.kbps / 8 / 1000 * load.gop / PICTURES_PER_S
    results = []
    for relay in chosen(names or OURS):
        steps = _steps(relay, load, streams)
        each_mb = statistics.linear_regression(*zip(*steps, strict=True)).slope
        result: dict[str, Any] = {
            "relay": relay.name,
            "rss_mb": {str(number): round(size, 1) for number, size in steps},
            "mb_per_stream": round(each_mb, 2),
            "gop_mb": round(gop_mb, 2),
            "mb_per_stream_beside_gop": round(each_mb - gop_mb, 2),
        }
        if relay.joins:
            sizes = _visits(relay, Load(4, 4, load.kbps, load.gop, load.mtu), visits)
            warm = sizes[WARM:]
            result |= {
                "visits": visits,
                "rss_mb_after_visit": {
                    "1": round(sizes[0], 1),
                    str(WARM + 1): round(warm[0], 1),
                    str(visits): round(sizes[-1], 1),
                },
                "kb_per_visit": round(
                    statistics.linear_regression(range(len(warm)), warm).slope * 1000, 1
                ),
            }
        results.append(result)
    return {
        "scenario": "memory",
        "mbps": load.kbps / 1000,
        "machine": machine(),
        "results": results,
    }
