"""Measures the gateway as its users run it: real RTSP in, real broker, real viewers.

    scripts/bench relay --streams 12 --json
    scripts/bench fanout --viewers 10 --json

Prints what was measured; asserts nothing, since machines differ. Compare by ratio, on one
machine, in one run.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time

from tests.bench.site import Load, Site, running

SETTLE_S = 3.0


def measure(site: Site, seconds: float) -> dict[str, float]:
    """Return the figures of one round."""
    before, cpu_s, started_s = site.counts(), site.cpu_s(), time.monotonic()
    time.sleep(seconds)
    after, spent_s = site.counts(), site.cpu_s() - cpu_s
    took_s = time.monotonic() - started_s
    packets = after["packets"] - before["packets"]
    return {
        "us_per_packet": spent_s / max(1, packets) * 1e6,
        "cpu_percent": spent_s / took_s * 100,
        "packets_per_s": packets / took_s,
        "mbps": (after["bytes"] - before["bytes"]) * 8 / took_s / 1e6,
        "missing": after["missing"] - before["missing"],
        "rss_mb": site.gateway.memory_info().rss / 1e6,
    }


def scenario(name: str, load: Load, rounds: int, seconds: float) -> dict[str, object]:
    """Return the medians of *rounds* rounds of *load*, and the spread of the first figure."""
    with running(load) as site:
        time.sleep(SETTLE_S)
        taken = [measure(site, seconds) for _ in range(rounds)]
    costs = [each["us_per_packet"] for each in taken]
    median = {key: statistics.median(each[key] for each in taken) for key in taken[0]}
    return {
        "scenario": name,
        "streams": load.streams,
        "viewers": load.viewers,
        "mbps": load.kbps / 1000,
        "rounds": rounds,
        "machine": f"{platform.machine()} Python {platform.python_version()}",
        "results": [
            {
                "relay": "camera-gateway",
                "us_per_packet": round(median["us_per_packet"], 2),
                "spread_us": round(max(costs) - min(costs), 2),
                "cpu_percent_per_stream": round(median["cpu_percent"] / load.streams, 3),
                "packets_per_s": round(median["packets_per_s"]),
                "delivered_mbps": round(median["mbps"], 2),
                "rss_mb": round(median["rss_mb"], 1),
                "lost": int(sum(each["missing"] for each in taken)),
            }
        ],
    }


def main() -> None:
    """Run the scenario that was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("scenario", choices=("relay", "fanout"))
    parser.add_argument("--streams", type=int, default=12)
    parser.add_argument("--viewers", type=int, default=10, help="fanout: of one camera")
    parser.add_argument("--mbps", type=float, default=4.0)
    parser.add_argument("--mtu", type=int, default=1400, help="of the camera's packets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="one line, for machines")
    asked = parser.parse_args()
    streams, viewers = (asked.streams,) * 2 if asked.scenario == "relay" else (1, asked.viewers)
    load = Load(streams, viewers, kbps=round(asked.mbps * 1000), mtu=asked.mtu)
    found = scenario(asked.scenario, load, asked.rounds, asked.seconds)
    print(json.dumps(found) if asked.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
