"""Cut the power so often: ``scripts/machine-test --power-cuts 150 [--seed 1]``.

Prints one JSON line. Exit code 0: whatever was left was old or new, and whole. With ``--unsynced``,
the mutant that flushes nothing, it must not be: then 0 says that the mutant was caught.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.machines.power.campaign import run_campaign
from tests.machines.power.update_cuts import cut_updates

SHOWN = 5


def main() -> int:
    """Return the exit code."""
    asks = argparse.ArgumentParser(prog="scripts/machine-test --power-cuts", description=__doc__)
    asks.add_argument("cuts", type=int)
    asks.add_argument("--seed", type=int, default=1)
    asks.add_argument("--updates", action="store_true", help="in updates, not in configurations")
    asks.add_argument("--unsynced", action="store_true", help="the mutant that flushes nothing")
    asked = asks.parse_args()
    with tempfile.TemporaryDirectory(prefix="power-cuts-") as name:
        what = {"cuts": asked.cuts, "seed": asked.seed, "synced": not asked.unsynced}
        folder = Path(name)
        found = (
            cut_updates(folder, **what)
            if asked.updates
            else asyncio.run(run_campaign(folder, **what))
        )
    said = {"seed": asked.seed, "unsynced": asked.unsynced, **found.counts}
    print(json.dumps({**said, "wrong": len(found.wrong), "first": found.wrong[:SHOWN]}))
    return int(bool(found.wrong) != asked.unsynced)


if __name__ == "__main__":
    sys.exit(main())
