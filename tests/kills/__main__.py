"""Kill the whole gateway so often: ``scripts/kill-changes --kills 200 --seed 2026``.

Prints one JSON line for each gateway that was used, and one for all of them together.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

from tests.fixtures.broker import Broker
from tests.kills.campaign import killed

EACH = 20
"""Kills of one gateway; then another one begins with nothing on its disk."""


async def one(seed: int, kills: int) -> tuple[int, Counter[str], list[str]]:
    """Use one gateway with one broker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        broker = Broker(folder / "broker")
        await broker.start()
        try:
            campaign = await killed(folder, broker, seed=seed, kills=kills)
        finally:
            broker.stop()
    return campaign.kills, campaign.found, campaign.wrong


def main() -> None:
    """Print what was found."""
    asks = argparse.ArgumentParser(description=__doc__)
    asks.add_argument("--kills", type=int, default=200)
    asks.add_argument("--seed", type=int, default=2026)
    asked = asks.parse_args()
    kills, found, wrong = 0, Counter[str](), list[str]()
    seed = asked.seed
    while kills < asked.kills:
        did, saw, amiss = asyncio.run(one(seed, min(EACH, asked.kills - kills)))
        print(json.dumps({"seed": seed, "kills": did, **saw, "wrong": amiss}), flush=True)
        kills, found, wrong, seed = kills + did, found + saw, wrong + amiss, seed + 1
    total = {"seeds": [asked.seed, seed - 1], "kills": kills, **found, "wrong": len(wrong)}
    print(json.dumps(total))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
