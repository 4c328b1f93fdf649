"""Kill the whole gateway so often: ``scripts/crash-test --kills 200 --seed 2026``.

With ``--transcoding`` it is the worker that is killed, hung and starved in turn, so often in all;
with ``--updates`` what installs, starts and undoes a release, at so many of its steps; with
``--enrolment`` the command that enrols, at each of its steps.

Prints one JSON line for each gateway that was used, and one for all of them together.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash import enrol_campaign, transcode_campaign, update_campaign
from tests.crash.config_campaign import Campaign, run_campaign
from tests.crash.transcode_campaign import h265_site
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


async def run_transcoding(seed: int, rounds: int) -> int:
    """Kill, hang and starve the worker *rounds* times in all; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        broker = Broker(folder / "broker")
        await broker.start()
        try:
            async with h265_site(folder, broker) as running:
                campaign = await transcode_campaign.run_campaign(running, rounds=rounds, seed=seed)
        finally:
            broker.stop()
    lasted = {
        act: {"p50": round(statistics.median(each), 2), "max": round(max(each), 2)}
        for act, each in campaign.lasted_s.items()
    }
    found = {"acts": campaign.acts, "workers": len(campaign.workers), "s_to_pictures": lasted}
    print(json.dumps({**found, "wrong": campaign.wrong}))
    return bool(campaign.wrong)


def run_updates(seed: int, kills: int) -> int:
    """End an update at *kills* of its steps, all if there are no more; return the exit code."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # kill -9 loses nothing of it
    with tempfile.TemporaryDirectory(dir=memory) as name:
        campaign = update_campaign.run_campaign(Path(name), kills=kills, seed=seed)
    found = {"places": campaign.places, "kills": campaign.kills, "ended": campaign.ended}
    print(json.dumps({"seed": seed, **found, "wrong": campaign.wrong}))
    return bool(campaign.wrong)


def run_enrolment() -> int:
    """End an enrolment at each of its steps; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        campaign = asyncio.run(enrol_campaign.run_at_centre(Path(name)))
    print(json.dumps(vars(campaign)))
    return bool(campaign.wrong)


def main() -> None:
    """Print what was found."""
    asks = argparse.ArgumentParser(prog="scripts/crash-test", description=__doc__)
    asks.add_argument("--kills", type=int, default=200)
    asks.add_argument("--seed", type=int, default=2026)
    asks.add_argument("--transcoding", action="store_true", help="do it to the transcoding worker")
    asks.add_argument("--updates", action="store_true", help="do it to what installs a release")
    asks.add_argument("--enrolment", action="store_true", help="do it to the command that enrols")
    asked = asks.parse_args()
    if asked.enrolment:
        raise SystemExit(run_enrolment())
    if asked.updates:
        raise SystemExit(run_updates(asked.seed, asked.kills))
    if asked.transcoding:
        raise SystemExit(asyncio.run(run_transcoding(asked.seed, asked.kills)))
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
