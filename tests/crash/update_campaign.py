"""Ends an installer, a start or a watch at each of its steps: what runs is the old or the new one.

    scripts/crash-test --updates --kills 300
    python -m tests.crash.update_campaign begin FOLDER [--no-sync]     on a disk that loses writes
    python -m tests.crash.update_campaign verify FOLDER                what a power cut has left

A *life* is what systemd runs of an update, in order: the installer, then starts of the gateway and
the watch. One process of it is ended with kill -9 before its n-th change of the disk, for every n;
then everything goes on as after a boot. After each: ``current`` names a release whose program runs
and whose files are all there; nothing is left on trial; the update can be had again.

The same on a disk that loses what was not synced: ``begin`` installs a release, slowly enough to be
cut, and ``verify`` looks at what is left, boots, and exits with 1 if it is neither. With
``--no-sync`` nothing is synced, which such a disk must show.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

from gateway.updates.rollback import on_start, watch
from gateway.updates.state import (
    HEALTH,
    PROGRAM,
    REPORT,
    TRYING,
    Limits,
    boot_s,
    read_tree,
    settle_report,
)
from tests.fixtures.releases import NEW, OLD, Box, file_faults, make_box, release

CHANGES = ("os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.chmod")
"""What Python tells an audit hook of changes of the disk, beside ``open``."""

LIMITS = Limits(crashes=3, gate_s=0.0, patience_s=0.0, connect_s=0.0)
FILES = 40
"""That a release of the campaign has; three are enough to have every kind of step."""

KINDS = ("good", "silent", "crashing", "older")


@dataclass(slots=True)
class Campaign:
    """What was tried, of how many places there are, and what was wrong."""

    places: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def new_box(folder: Path, kind: str, files: int = FILES) -> Box:
    """Return a machine, with the bundle that is to be installed on it."""
    box = make_box(folder)
    version = "0.0.9" if kind == "older" else NEW
    members = release(version, files=files)
    box.bundle(members, version=version, min_version="0.0.5")
    (box.folder / "files").write_text(str(files), encoding="ascii")
    return box


def life(box: Box, bundle: Path, kind: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield each process of an update: its name and what it does."""
    yield "install", partial(box.install, bundle, downgrade=kind == "older", limits=LIMITS)
    starts = 4 if kind == "crashing" else 1
    for number in range(starts):
        yield f"start{number + 1}", partial(boot, box, kind)
    yield "watch", partial(watch_box, box)


def boot(box: Box, kind: str) -> None:
    """Start the gateway; a good one then says how it is."""
    on_start(box.layout)
    if kind in ("good", "older") and box.layout.is_runnable(box.layout.running()):
        said = {"version": box.layout.running(), "up_s": boot_s(), "connected": True}
        tree = {**said, "working": [], "enabled": []}
        (box.layout.run / HEALTH).write_text(json.dumps(tree), encoding="utf-8")


def watch_box(box: Box) -> None:
    """Run the watch as its unit does: only while something is tried."""
    if not (box.layout.state / TRYING).exists():
        return
    folders = ["--top", box.layout.top, "--state", box.layout.state, "--run", box.layout.run]
    program = box.layout.state / PROGRAM
    restart = [sys.executable, "-I", "-S", str(program), "start", *map(str, folders)]
    watch(box.layout, restart, poll_s=0.01)


def run_killed(act: Callable[[], None], folder: Path, at: int) -> int:
    """Run *act* in a child, which is ended before its change number *at*; 0: it is not.

    Returns how many changes it has made, 0 if it was ended.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        count = _count_changes(folder, at)
        try:
            act()
            os.write(writer, str(count["made"]).encode())
        except Exception as error:
            os.write(writer, repr(error).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    if said and not said.isdecimal():
        raise AssertionError(said)
    return int(said or 0)


def _count_changes(folder: Path, at: int) -> Counter[str]:
    """Count this process's changes of the disk from now on; end it before number *at*."""
    counter = Counter[str]()
    sync = os.fsync

    def count() -> None:
        counter["made"] += 1
        if counter["made"] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, given: tuple[object, ...]) -> None:
        if event in CHANGES or (event == "open" and str(given[0]).startswith(str(folder))):
            count()

    def fsync(fd: int) -> None:
        count()
        sync(fd)

    setattr(os, "fsync", fsync)  # noqa: B010  (a type of os's own)
    setattr(os, "sync", lambda: None)  # noqa: B010  (kill -9 loses nothing, and others wait for it)
    sys.addaudithook(hook)
    return counter


def faults_of(box: Box) -> Iterator[str]:
    """Yield what is wrong with what runs now, before anything has been mended."""
    running = box.layout.running()
    if running not in (OLD, NEW, "0.0.9"):
        yield f"current names {running!r}"
    elif box.says() != running:
        yield f"{running} says it is {box.says()}"
    else:
        release_folder = box.layout.releases / running
        files = int((box.folder / "files").read_text()) if running != OLD else 0
        yield from file_faults(release_folder, running, files)


def end_of(box: Box, bundle: Path, kind: str, ended: Counter[str]) -> Iterator[str]:
    """Go on as after a boot; yield what is wrong in the end, which is counted in *ended*."""
    settle_report(box.layout)
    boot(box, kind)
    yield from faults_of(box)
    watch_box(box)
    yield from faults_of(box)
    left = read_tree(box.layout.state / REPORT) or {}
    if (box.layout.state / TRYING).exists() or left.get("state") in ("applying", "pending_confirm"):
        yield f"something is still tried: {left}"
    said = read_tree(box.layout.state / REPORT) or {"state": "nothing"}
    ended[f"{said['state']} {said.get('reason', '')}".rstrip()] += 1
    if said["state"] == "applied" and box.layout.running() != said["version"]:
        yield f"applied, and {box.layout.running()} runs"
    if said["state"] in ("rolled_back", "rejected") and box.layout.running() != OLD:
        yield f"{said['state']}, and {box.layout.running()} runs"
    if box.layout.running() == OLD:
        box.install(bundle, downgrade=True, limits=LIMITS)
        yield from faults_of(box)


def copied(box: Box, target: Path) -> Box:
    """Return a copy of *box*, at *target*, which is made anew."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(box.folder, target, symlinks=True)
    return replace(box, folder=target)


def live(box: Box, kind: str, ended: str, at: int) -> int:
    """Live on *box* up to change *at* of the process *ended*; return as `run_killed`."""
    for name, act in life(box, box.folder / "made.update", kind):
        if name == ended:
            return run_killed(act, box.folder, at)
        act()
    raise AssertionError(ended)


def places(box: Box, kind: str, trial: Path) -> Iterator[tuple[str, int]]:
    """Yield every place of a life where it can be ended: the process, and the change in it."""
    for name, _ in life(box, box.folder / "made.update", kind):
        for at in range(live(copied(box, trial), kind, name, 0)):
            yield name, at + 1


def run_campaign(
    folder: Path, *, kills: int, seed: int, kinds: tuple[str, ...] = KINDS, files: int = FILES
) -> Campaign:
    """End lives at *kills* places, all of them if there are no more; return what was found."""
    campaign, trial = Campaign(), folder / "trial"
    boxes = {kind: new_box(folder / kind, kind, files) for kind in kinds}
    found = [(kind, *each) for kind in kinds for each in places(boxes[kind], kind, trial)]
    Random(seed).shuffle(found)
    for kind, name, at in found[:kills]:
        box = copied(boxes[kind], trial)
        live(box, kind, name, at)
        wrong = [*faults_of(box), *end_of(box, trial / "made.update", kind, campaign.ended)]
        campaign.kills[name] += 1
        campaign.wrong += [f"{kind}, {name}, change {at}: {each}" for each in wrong]
    campaign.places = len(found)
    return campaign


def begin(folder: Path, *, sync: bool) -> None:
    """Install a good release on *folder* again and again, until it is ended."""
    box = new_box(folder / "box", "good")
    os.sync()
    if not sync:  # from here on: the machine as it was is no part of the mutant
        setattr(os, "fsync", lambda _: None)  # noqa: B010
        setattr(os, "sync", lambda: None)  # noqa: B010
    (folder / "ready").touch()
    for _, act in life(box, box.folder / "made.update", "good"):
        act()


def verify(folder: Path) -> list[str]:
    """Return what is wrong with what a power cut has left in *folder*, before and after a boot."""
    box = replace(make_box(Path(tempfile.mkdtemp())), folder=folder / "box")
    wrong = list(faults_of(box))
    boot(box, "good")
    wrong += faults_of(box)
    watch_box(box)
    return [*wrong, *faults_of(box)]


def main() -> None:
    """Run one half for a disk that loses writes."""
    asks = argparse.ArgumentParser(description=__doc__)
    asks.add_argument("half", choices=("begin", "verify"))
    asks.add_argument("folder", type=Path)
    asks.add_argument("--no-sync", action="store_true")
    asked = asks.parse_args()
    if asked.half == "begin":
        begin(asked.folder, sync=not asked.no_sync)
        return
    wrong = verify(asked.folder)
    print(json.dumps({"runs": os.readlink(asked.folder / "box/opt/current"), "wrong": wrong}))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
