"""Measures the gateway beside other relays, as their users run them: real RTSP in, viewers out.

    scripts/bench relay --streams 1,4,12,32 --mbps 4
    scripts/bench fanout --viewers 1,10,30,50
    scripts/bench latency | first-frame | idle | capacity | memory

Each relay does the same work in one run, in turn. Prints what was measured; asserts nothing,
since machines differ. Compare by ratio, within one run. How it is measured: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from tests.bench import throughput
from tests.bench.ground import Load

SCENARIOS = ("relay", "fanout", "latency", "first-frame", "idle", "capacity", "memory")


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--relays", help="names separated by commas; default: all that are here")
    parser.add_argument("--streams", type=_numbers, help="cameras; default depends")
    parser.add_argument("--viewers", type=_numbers, default=[1, 10, 30, 50], help="fanout")
    parser.add_argument("--mbps", type=float, help="of a camera; default 4, capacity and memory 2")
    parser.add_argument("--mtu", type=int, default=1400, help="of the camera's packets")
    parser.add_argument("--gops", type=_numbers, default=[1, 2, 10], help="first-frame: seconds")
    parser.add_argument("--viewings", type=int, default=30, help="first-frame: of each relay")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of a round; default depends")
    parser.add_argument("--json", action="store_true", help="one line an object, for machines")
    return parser.parse_args()


def run(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the results of the scenario that was asked for."""
    light = asked.scenario in ("capacity", "memory")
    kbps = round((asked.mbps or (2.0 if light else 4.0)) * 1000)

    def load(streams: int) -> Load:
        return Load(streams, streams, kbps=kbps, mtu=asked.mtu)

    names, rounds, seconds = asked.relays, asked.rounds, asked.seconds
    match asked.scenario:
        case "relay":
            loads = [load(each) for each in asked.streams or [12]]
            yield from throughput.relay(names, loads, rounds, seconds or 8)
        case "fanout":
            yield throughput.fanout(names, load(1), asked.viewers, rounds, seconds or 8)
        case "capacity":
            steps = asked.streams or [16, 32, 64, 96, 128, 160]
            yield throughput.capacity(names, load(steps[0]), steps, seconds or 8)
        case "idle":
            for each in asked.streams or [32]:
                yield throughput.idle(names, load(each), rounds, seconds or 60)


def main() -> None:
    """Print one object for each result."""
    asked = _arguments()
    for found in run(asked):
        print(json.dumps(found) if asked.json else json.dumps(found, indent=2), flush=True)


if __name__ == "__main__":
    main()
