"""Kill the whole gateway so often: ``scripts/crash-test --kills 200 --seed 2026``.

Prints one JSON line for each gateway that was used, and one for all of them together.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash.config_campaign import Campaign, run_campaign
from tests.fixtures.broker import Broker

EACH = 20
"""Kills of one gateway; then another one begins with nothing on its disk."""


async def run_one(seed: int, kills: int) -> Campaign:
    """Use one gateway with one broker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        broker = Broker(folder / "broker")
        await broker.start()
        try:
            return await run_campaign(folder, broker, seed=seed, kills=kills)
        finally:
            broker.stop()


def main() -> None:
    """Print what was found."""
    asks = argparse.ArgumentParser(prog="scripts/crash-test", description=__doc__)
    asks.add_argument("--kills", type=int, default=200)
    asks.add_argument("--seed", type=int, default=2026)
    asked = asks.parse_args()
    total, wrong, seed = Counter[str](), list[str](), asked.seed
    while total["kills"] < asked.kills:
        campaign = asyncio.run(run_one(seed, min(EACH, asked.kills - total["kills"])))
        did = Counter(kills=campaign.kills, late=campaign.late, starts=campaign.starts)
        did += campaign.found
        print(json.dumps({"seed": seed, **did, "wrong": campaign.wrong}), flush=True)
        total, wrong, seed = total + did, wrong + campaign.wrong, seed + 1
    print(json.dumps({"seeds": [asked.seed, seed - 1], **total, "wrong": len(wrong)}))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
