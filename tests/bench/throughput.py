"""Scenarios of processor time: `relay`, `fanout`, `capacity` and `idle`."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from tests.bench import footprint
from tests.bench.footprint import Footprint
from tests.bench.measure import (
    SETTLE_S,
    Round,
    alternate,
    log,
    machine,
    observe,
    playing,
    select_relays,
)
from tests.bench.relays import Relay
from tests.bench.testbed import Load, NotStarted, Testbed, await_settled, cpu_s

OURS = "camera-gateway"


def once(relay: Relay, load: Load, seconds: float) -> Round | None:
    """Return one round of *relay* under *load*; None, aloud, if it does not come up."""
    with Testbed() as testbed:
        try:
            url = testbed.camera(load)
            with playing(testbed, relay, load, [url] * load.streams) as (running, crowd):
                await_settled(running.pid, SETTLE_S)
                testbed.burn(load.busy)
                time.sleep(SETTLE_S)
                return observe(running, crowd, seconds)
        except NotStarted as error:
            log(f"{relay.name} with {load.streams} streams, {load.viewers} viewers: {error}")
            return None


def summary(name: str, rounds: Sequence[Round], streams: int) -> dict[str, Any]:
    """Return medians, and the spread of the first figure."""

    def median(field: str) -> float:
        return float(statistics.median(getattr(each, field) for each in rounds))

    costs = [each.us_per_packet for each in rounds]
    return {
        "relay": name,
        "us_per_packet": round(median("us_per_packet"), 2),
        "spread_us": round(max(costs) - min(costs), 2),
        "cpu_percent_per_stream": round(median("cpu_percent") / streams, 3),
        "packets_per_s": round(median("packets_per_s")),
        "delivered_mbps": round(median("delivered_mbps"), 2),
        **footprint.median([each.memory for each in rounds]).rounded(),
        "lost": sum(each.lost for each in rounds),
        "rounds_measured": len(rounds),
    }


def side_by_side(
    relays: list[Relay], load: Load, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """Return the figures of all relays under one load, ours first in the ratios."""
    seen: dict[str, list[Round]] = defaultdict(list)
    for number, relay in alternate(relays, rounds):
        found = once(relay, load, seconds)
        if found is not None:
            seen[relay.name].append(found)
            log(
                f"round {number + 1}: {relay.name} {found.us_per_packet:.1f} µs,"
                f" lost {found.lost}, {found.memory}"
            )
    results = [
        summary(relay.name, seen[relay.name], load.streams) for relay in relays if seen[relay.name]
    ]
    for field, ratio in (
        ("us_per_packet", "ratio_to_us"),
        ("cpu_percent_per_stream", "cpu_ratio_to_us"),
    ):
        ours = next((each[field] for each in results if each["relay"] == OURS), None)
        for each in results:
            each[ratio] = round(each[field] / ours, 2) if ours else None
    return results


def relay(
    names: str | None, loads: Sequence[Load], rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield one object for each load: as many viewers as cameras."""
    relays = select_relays(names, source=loads[0].source)
    for load in loads:
        results = side_by_side(relays, load, rounds, seconds)
        yield _about("relay", load, rounds) | {"results": results}


def fanout(
    names: str | None, load: Load, counts: Sequence[int], rounds: int, seconds: float
) -> dict[str, Any]:
    """Return what each further viewer of one camera costs.

    ``marginal_us_per_packet`` is the slope of processor time over packets out, by least squares
    over all viewer counts and rounds: the camera's own reading falls out of it.
    """
    relays = select_relays(names)
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    seen: dict[str, dict[int, list[Round]]] = defaultdict(lambda: defaultdict(list))
    for _, each in alternate(relays, rounds):
        for viewers in counts:
            found = once(each, Load(1, viewers, load.kbps, load.gop, load.mtu), seconds)
            if found is None:
                continue
            seen[each.name][viewers].append(found)
            points[each.name].append((found.packets_per_s, found.cpu_percent / 100))
            log(f"{each.name}, {viewers} viewers: {found.us_per_packet:.1f} µs, lost {found.lost}")
    results: list[dict[str, Any]] = []
    for each in relays:
        cost = points[each.name]
        slope = statistics.linear_regression(*zip(*cost, strict=True)).slope if len(cost) > 1 else 0
        steps = [
            summary(each.name, found, 1) | {"viewers": viewers}
            for viewers, found in seen[each.name].items()
        ]
        results.append(
            {
                "relay": each.name,
                "marginal_us_per_packet": round(slope * 1e6, 2),
                "steps": steps,
            }
        )
    ours = next((each["marginal_us_per_packet"] for each in results if each["relay"] == OURS), None)
    for result in results:
        result["ratio_to_us"] = round(result["marginal_us_per_packet"] / ours, 2) if ours else None
    about = _about("fanout", load, rounds) | {"viewers": list(counts)}
    return about | {"results": results}


def capacity(names: str | None, load: Load, steps: Sequence[int], seconds: float) -> dict[str, Any]:
    """Return how many streams fill one core of the relay.

    Streams are added until the relay takes a whole core or loses packets. Camera and viewers
    share the machine: where that is full first, ``reached`` says how far it came, and
    ``streams_per_core`` is the straight line through the steps measured.
    """
    results = []
    for each in select_relays(names or OURS):
        taken: list[tuple[int, Round]] = []
        for streams in steps:
            found = once(each, Load(streams, streams, load.kbps, load.gop, load.mtu), seconds)
            if found is None:
                break
            log(f"{each.name}, {streams} streams: {found.cpu_percent:.0f} %, lost {found.lost}")
            taken.append((streams, found))
            if found.cpu_percent >= 95 or found.lost:
                break
        whole = [(streams, found.cpu_percent) for streams, found in taken if not found.lost]
        if len(whole) > 1:
            line = statistics.linear_regression(*zip(*whole, strict=True))
            estimate = round((100 - line.intercept) / line.slope)
        else:
            estimate = None
        results.append(
            {
                "relay": each.name,
                "reached": max((streams for streams, _ in whole), default=0),
                "streams_per_core": estimate,
                "steps": [summary(each.name, [found], n) | {"streams": n} for n, found in taken],
            }
        )
    return _about("capacity", load, 1) | {"streams": list(steps), "results": results}


def idle(names: str | None, load: Load, rounds: int, seconds: float) -> dict[str, Any]:
    """Return what cameras cost that nobody watches."""
    seen: dict[str, list[tuple[float, Footprint]]] = defaultdict(list)
    relays = select_relays(names, joining=True)
    for _, each in alternate(relays, rounds):
        with Testbed() as testbed:
            url = testbed.camera(load)
            running = each.start(testbed, [url] * load.streams, 0)
            await_settled(running.pid, SETTLE_S)
            testbed.burn(load.busy)
            time.sleep(SETTLE_S)
            before_s, started_s = cpu_s(running.pid), time.monotonic()
            time.sleep(seconds)
            took_s = time.monotonic() - started_s
            percent = (cpu_s(running.pid) - before_s) / took_s * 100
            seen[each.name].append((percent, footprint.of_family(running.pid)))
            log(f"{each.name}: {percent:.2f} %")
    results = [
        {
            "relay": name,
            "cpu_percent": round(statistics.median(percent for percent, _ in found), 3),
            **footprint.median([memory for _, memory in found]).rounded(),
        }
        for name, found in seen.items()
    ]
    return _about("idle", load, rounds) | {"seconds": seconds, "results": results}


def _about(scenario: str, load: Load, rounds: int) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "streams": load.streams,
        "mbps": load.kbps / 1000,
        "busy": load.busy,
        "source": load.source,
        "rounds": rounds,
        "machine": machine(),
    }
