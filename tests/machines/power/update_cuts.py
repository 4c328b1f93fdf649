"""Power cuts between all steps of an update: what is left is the old release or the new one, whole.

Both halves are those of `tests.crash.update_campaign`: an installation, a start and a watch, run
here on a disk that loses what was not synced; and what looks at one image, boots it, looks again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.machines.power.cut_images import Found, mounted
from tests.machines.power.lossy_mount import TOP, lossy_file_system, order

BEGINS_S = 120
ENDS_S = 300


def cut_updates(folder: Path, *, cuts: int, seed: int, synced: bool = True) -> Found:
    """Cut the power in up to *cuts* flushes of updates, one after another; return what was found.

    Args:
        folder: Empty.
        cuts: At most so many; each update has its flushes, and each flush is cut.
        seed: Of what each cut loses.
        synced: False for the mutant that syncs nothing.
    """
    found, round_of = Found(), 0
    while found.counts["cuts"] < cuts:
        part = folder / f"update-{round_of}"
        part.mkdir()
        made = _cut_one(part, cuts - found.counts["cuts"], seed + round_of, synced=synced)
        _look_at_all(part, found, rounds=round_of)
        round_of += 1
        if not made:
            found.wrong.append("an update without a flush")
            break
    return found


def _cut_one(folder: Path, cuts: int, seed: int, *, synced: bool) -> int:
    """Run one update on a lossy disk; return how many images have come of it."""
    (folder / "cuts").mkdir()
    with lossy_file_system(folder, cuts=cuts, seed=seed, every=1) as place:
        command = [sys.executable, "-m", "tests.crash.update_campaign", "begin", str(place)]
        with subprocess.Popen(command + ["--no-sync"] * (not synced), cwd=TOP) as update:
            for _ in range(10 * BEGINS_S):
                if (place / "ready").exists() or update.poll() is not None:
                    break
                time.sleep(0.1)
            order(folder, "arm")
            update.wait(ENDS_S)
        order(folder, "cut end")
    return len(list((folder / "cuts").glob("*.img")))


def _look_at_all(folder: Path, found: Found, *, rounds: int) -> None:
    look = folder / "look"
    look.mkdir()
    for line in (folder / "cuts" / "cuts.txt").read_text().splitlines():
        name, _, pending, survived = line.split()
        found.counts["cuts"] += 1
        found.counts["cuts that lost sectors"] += int(survived) < int(pending)
        image = folder / "cuts" / f"{name}.img"
        with mounted(image, look) as fault:
            said = fault or _verified(look, found)
        if said:
            found.wrong.append(f"update {rounds}, {name}: {said}")
        image.unlink()


def _verified(place: Path, found: Found) -> str:
    """Return what is wrong with what is left at *place*, which is booted; empty: nothing."""
    command = (sys.executable, "-m", "tests.crash.update_campaign", "verify", str(place))
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=ENDS_S)
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return done.stderr[-300:] or "it says nothing"
    found.counts[f"runs {Path(said['runs']).name}"] += 1
    return "; ".join(said["wrong"])
