"""Scenario `memory`: what a stream takes, and what is left of an hour of visitors.

The hour is scaled down: as many visits as an hour has minutes, one after the other, each with as
many viewers as there are cameras; what grows with visits grows in minutes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench import footprint
from tests.bench.footprint import Footprint
from tests.bench.measure import (
    CALM_S,
    SETTLE_S,
    ViewerProcess,
    log,
    machine,
    playing,
    select_relays,
)
from tests.bench.relays import Relay, Running
from tests.bench.testbed import Load, NotStarted, Testbed, python
from tests.bench.throughput import OURS

VISITS = 60
WARM = 5
PICTURES_PER_S = 25


def _steps(relay: Relay, load: Load, streams: Sequence[int]) -> list[tuple[int, Footprint]]:
    found = []
    for number in streams:
        each = Load(number, number, load.kbps, load.gop, load.mtu)
        with Testbed() as testbed:
            try:
                urls = [testbed.camera(each)] * number
                with playing(testbed, relay, each, urls) as (running, _):
                    time.sleep(SETTLE_S + 2 * load.gop / PICTURES_PER_S)
                    found.append((number, footprint.of_family(running.pid)))
            except NotStarted as error:
                log(f"{relay.name} with {number} streams: {error}")
                continue
        log(f"{relay.name}, {number} streams: {found[-1][1]}")
    return found


def _visits(relay: Relay, load: Load, visits: int) -> list[Footprint]:
    """Return the memory after each visit, nobody watching."""
    sizes = []
    with Testbed() as testbed:
        urls = [testbed.camera(load)] * load.streams
        running = relay.start(testbed, urls, load.streams)
        time.sleep(CALM_S)
        for number in range(visits):
            _visit(testbed, running, load)
            sizes.append(footprint.of_family(running.pid))
            if number % 10 == 9:
                log(f"{relay.name}, visit {number + 1}: {sizes[-1]}")
    return sizes


def _visit(testbed: Testbed, running: Running, load: Load) -> None:
    """Let a crowd come, get packets, and leave."""
    command = python("tests.bench.receiver", running.dialect, load.viewers, load.streams)
    process = testbed.start(command, says="ready")
    ViewerProcess(process).query("counts")
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def _by_name(
    sizes: Mapping[int, Footprint], suffix: str = ""
) -> dict[str, dict[str, float | None]]:
    """Return RSS, PSS and USS, each as *sizes* has it by number."""
    rounded = {str(number): size.rounded() for number, size in sizes.items()}
    return {
        f"{name}{suffix}": {number: each[name] for number, each in rounded.items()}
        for name in ("rss_mb", "pss_mb", "uss_mb")
    }


def memory(
    names: str | None, load: Load, streams: Sequence[int], visits: int = VISITS
) -> dict[str, Any]:
    """Return memory by streams, and how it moves over the visits of an hour."""
    gop_mb = load.kbps / 8 / 1000 * load.gop / PICTURES_PER_S
    results = []
    for relay in select_relays(names or OURS):
        steps = _steps(relay, load, streams)
        numbers = [number for number, _ in steps]
        resident = [size.rss_mb for _, size in steps]
        each_mb = statistics.linear_regression(numbers, resident).slope
        result: dict[str, Any] = {
            "relay": relay.name,
            **_by_name(dict(steps)),
            "mb_per_stream": round(each_mb, 2),
            "gop_mb": round(gop_mb, 2),
            "mb_per_stream_beside_gop": round(each_mb - gop_mb, 2),
        }
        if relay.joins:
            sizes = _visits(relay, Load(4, 4, load.kbps, load.gop, load.mtu), visits)
            warm = [each.rss_mb for each in sizes[WARM:]]
            told = {1: sizes[0], WARM + 1: sizes[WARM], visits: sizes[-1]}
            result |= {
                "visits": visits,
                **_by_name(told, "_after_visit"),
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
