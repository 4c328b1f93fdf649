"""A thousand gateways against one Mosquitto as `config/broker` ships it, with mutual TLS.

    scripts/fleet --gateways 1000 --cameras 32 [--seconds 120] [--json]

All connect within a minute, then say what gateways say; a fake centre hears all of it, asks for
viewings and commands, configures some, asks for all births at once and for the inventory that it
has lost, and then the broker is restarted. Loopback only; ends by itself. Prints what was measured;
exit code 1 if anything was lost, out of order, of a stranger or against its schema.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from tests.fleet.country import Country, run
from tests.fleet.scene import Pace

WRONG = (
    "events_missing",
    "events_holes",
    "out_of_order",
    "invalid",
    "strangers",
    "inventory_stale",
)
"""Of the verdict, what must be nothing."""


def main() -> None:
    """Simulate what the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="scripts/fleet", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--gateways", type=int, default=1000)
    parser.add_argument("--cameras", type=int, default=32)
    parser.add_argument("--generators", type=int, default=2, help="processes of gateways")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the steady phase")
    parser.add_argument("--pace", type=float, default=60.0, help="seconds between health reports")
    parser.add_argument("--events", type=float, default=5.0, help="per gateway and hour")
    parser.add_argument("--configs", type=int, default=100, help="gateways that are configured")
    parser.add_argument("--spread", type=float, default=60.0, help="seconds to connect and rebirth")
    parser.add_argument("--json", action="store_true", help="one object at the end")
    asked = parser.parse_args()
    country = Country(
        gateways=asked.gateways,
        cameras=asked.cameras,
        generators=asked.generators,
        seconds=asked.seconds,
        configs=asked.configs,
        pace=Pace(health_s=asked.pace, events_per_hour=asked.events, spread_s=asked.spread),
    )

    def told(phase: dict[str, Any]) -> None:
        if not asked.json:
            sys.stdout.write(f"{json.dumps(phase, ensure_ascii=False)}\n")
            sys.stdout.flush()

    result = asyncio.run(run(country, told))
    if asked.json:
        sys.stdout.write(f"{json.dumps(result, ensure_ascii=False)}\n")
    verdict = result["verdict"]
    raise SystemExit(any(verdict[wrong] for wrong in WRONG))


if __name__ == "__main__":
    main()
