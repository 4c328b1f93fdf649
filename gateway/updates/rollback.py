"""The way back from a release that is being tried: counts its starts, times it, switches.

Stands alone: nothing but Python's own library and `gateway.updates.state`, which has nothing else
either, so that a release that cannot even be imported is undone all the same. The installer packs
the two, of the release that ran before, into one file beside the state of updates (`packed`);
systemd runs that as root, with the machine's own Python:

    rollback.pyz start    before each start of the gateway (``ExecStartPre=``): counts it
    rollback.pyz watch    while a release is tried (``camera-gateway-update-gate.service``)

The power may go between any two steps: what runs is the old release or the new one.

Sources: systemd.service(5) ``ExecStartPre=``, Python's zipapp.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.updates.state import (
    REPORT,
    TRYING,
    Candidate,
    Decision,
    Health,
    UpdateFolders,
    boot_id,
    boot_s,
    load_candidate,
    locked,
    raise_minimum,
    read_health,
    read_tree,
    remove_file,
    remove_tree,
    report,
    save_candidate,
    say,
    switch,
)

FRESH_S = 30.0
"""What the gateway says of itself is believed for so long."""

POLL_S = 2.0
AGAIN_S = 60.0
"""A restart that has been asked for and has not come is asked for again after this."""

UNIT = "camera-gateway.service"
RESTART = ("systemctl", "--no-block", "restart", UNIT)


def packed() -> bytes:
    """Return this program as one file that Python runs; the same each time."""
    start = b"from gateway.updates.rollback import main\n\nmain()\n"
    folder = Path(__file__).parent
    files = {
        "__main__.py": start,
        "gateway/__init__.py": b"",
        "gateway/updates/__init__.py": b"",
        "gateway/updates/rollback.py": Path(__file__).read_bytes(),
        "gateway/updates/state.py": (folder / "state.py").read_bytes(),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, source in files.items():
            archive.writestr(zipfile.ZipInfo(name), source)
    return content.getvalue()


def decide(candidate: Candidate, health: Health, *, now_s: float, ran_s: float) -> Decision | None:
    """Return how *candidate* ends; None: it is too soon to say.

    Args:
        candidate: What is tried.
        health: What it says of itself.
        now_s: The boot clock.
        ran_s: Since its last start.
    """
    limits = candidate.limits
    if ran_s < limits.gate_s:
        return None
    fault = fault_of(candidate, health, now_s)
    if fault is None:
        return Decision("applied")
    return fault if ran_s >= limits.gate_s + limits.patience_s else None


def fault_of(candidate: Candidate, health: Health, now_s: float) -> Decision | None:
    """Return what speaks against *candidate* now; what did not work before it does not count."""
    if health.version != candidate.version or not 0 <= now_s - health.up_s <= FRESH_S:
        return Decision("rolled_back", "deadline", "UPDATE_SILENT", "it does not say how it is")
    if candidate.before.connected and not candidate.connected:
        detail = f"not connected for {candidate.limits.connect_s:.0f} s at a stretch"
        return Decision("rolled_back", "connect_failed", "UPDATE_UNCONNECTED", detail)
    # What it does not even know any more is lost as well, unlike what somebody has paused.
    wanted = set(candidate.before.working) - set(health.paused)
    lost = sorted(wanted - set(health.working))
    if 100 * (len(wanted) - len(lost)) < candidate.limits.min_alive_percent * len(wanted):
        kept = len(wanted) - len(lost)
        detail = f"{kept} of {len(wanted)} cameras work again, not {', '.join(lost[:16])}"
        return Decision("rolled_back", "health_gate", "UPDATE_CAMERAS", detail)
    return None


def finish(layout: UpdateFolders, candidate: Candidate) -> None:
    """Do what has been decided, from wherever it was interrupted."""
    decision = candidate.decision
    assert decision is not None
    if decision.state == "applied":
        raise_minimum(layout, candidate.min_version)
    elif layout.running() == candidate.version and layout.is_runnable(candidate.previous):
        switch(layout, candidate.previous)
    report(layout, candidate, decision.state, decision)
    remove_file(layout.state / TRYING)
    say(f"{candidate.version}: {decision.state} {decision.why} {decision.detail}".rstrip())


def on_start(layout: UpdateFolders) -> None:
    """Count a start of what is tried; end it if that was one too many, or if it is decided."""
    if not (layout.state / TRYING).exists():
        return
    with locked(layout):
        candidate = settled(layout, load_candidate(layout))
        if candidate is None:
            return
        if candidate.decision is None and candidate.starts >= candidate.limits.crashes:
            detail = f"{candidate.starts} starts within {candidate.limits.gate_s:.0f} s"
            why = Decision("rolled_back", "crash_loop", "UPDATE_CRASHED", detail)
            candidate = decided(layout, candidate, why)
        if candidate.decision is not None:
            finish(layout, candidate)
            return
        try:
            candidate = replace(
                candidate, starts=candidate.starts + 1, boot=boot_id(), started_s=boot_s()
            )
            save_candidate(layout, candidate)
            report(layout, candidate, "pending_confirm", None)
        except OSError as error:  # without a count it must not be tried
            why = Decision("rolled_back", "disk", "DISK_FULL", str(error.strerror))
            finish(layout, replace(candidate, decision=why))


def settled(layout: UpdateFolders, candidate: Candidate | None) -> Candidate | None:
    """Return *candidate* if it is what ``current`` names, or is decided; else end its trial.

    A link that leads nowhere is mended first.
    """
    if candidate is None or candidate.decision is not None:
        return candidate
    if not layout.is_runnable(layout.running()) and layout.is_runnable(candidate.previous):
        switch(layout, candidate.previous)
    if layout.running() == candidate.version:
        return candidate
    if candidate.starts == 0:
        why = Decision("rejected", "", "UPDATE_INTERRUPTED", "interrupted before it was started")
    else:
        why = Decision("rolled_back", "disk", "UPDATE_INTERRUPTED", "something else was started")
    finish(layout, replace(candidate, decision=why))
    return None


def decided(layout: UpdateFolders, candidate: Candidate, why: Decision) -> Candidate:
    """Return *candidate* with its end, which is on the disk if that takes it."""
    if why.state == "rolled_back" and not layout.is_runnable(candidate.previous):
        detail = f"the former release is gone; {why.detail}"
        why = Decision("applied", why.why, why.reason, detail)
    candidate = replace(candidate, decision=why)
    with suppress(OSError):  # then it is done, if not recorded: the switch needs no space
        save_candidate(layout, candidate)
    return candidate


def watch(layout: UpdateFolders, restart: Sequence[str], *, poll_s: float = POLL_S) -> None:
    """Follow what is tried to its end: have it started, watch it, keep it or go back."""
    begun_s = boot_s()
    asked_s, connected_s = float("-inf"), float("inf")
    while True:
        with locked(layout):
            candidate = settled(layout, load_candidate(layout))
            if candidate is None:
                clean(layout)  # before the next one may begin: half done is what it begins with
                return
            now_s, health = boot_s(), read_health(layout)
            is_connected = health.connected and health.version == candidate.version
            connected_s = min(connected_s, now_s) if is_connected else float("inf")
            candidate = proved_connected(layout, candidate, now_s - connected_s)
            candidate = step(layout, candidate, health, now_s, begun_s)
            if candidate is None:
                clean(layout)
                return
        if (candidate.starts == 0 or candidate.decision) and now_s - asked_s >= AGAIN_S:
            asked_s = now_s
            subprocess.run(restart, check=False, timeout=AGAIN_S)
        time.sleep(poll_s)


def proved_connected(
    layout: UpdateFolders, candidate: Candidate, connected_for_s: float
) -> Candidate:
    """Return *candidate*; that it reaches the centre is remembered, also if the line then dies."""
    if candidate.connected or connected_for_s < candidate.limits.connect_s:
        return candidate
    candidate = replace(candidate, connected=True)
    save_candidate(layout, candidate)
    return candidate


def step(
    layout: UpdateFolders, candidate: Candidate, health: Health, now_s: float, begun_s: float
) -> Candidate | None:
    """Look at *candidate* once; return what is to be restarted or watched further.

    One that is to be undone is switched away from here and finished by the start that follows, so
    that its record lasts until the former release is really started.

    Args:
        layout: Where things are.
        candidate: What is tried.
        health: What the gateway says of itself.
        now_s: The boot clock.
        begun_s: Since when it is watched, in this boot.
    """
    if candidate.decision is None:
        is_started = candidate.starts and candidate.boot == boot_id()
        since_s = candidate.started_s if is_started else begun_s
        why = decide(candidate, health, now_s=now_s, ran_s=now_s - since_s)
        if why is None:
            return candidate
        candidate = decided(layout, candidate, why)
    assert candidate.decision is not None
    if candidate.decision.state == "applied" or candidate.starts == 0:
        finish(layout, candidate)
        return None
    if layout.running() == candidate.version and layout.is_runnable(candidate.previous):
        switch(layout, candidate.previous)
    return candidate


def clean(layout: UpdateFolders) -> None:
    """Remove what has been undone, what two newer ones have replaced, and what was half done."""
    if (layout.state / TRYING).exists():
        return
    said = read_tree(layout.state / REPORT) or {}
    kept = {layout.running(), said.get("version"), said.get("previous")}
    for path in sorted(layout.releases.iterdir()):
        is_half = path.name.startswith((".new-", ".gone-"))
        is_undone = path.name == said.get("version") and said.get("state") == "rolled_back"
        is_replaced = said.get("state") == "applied" and path.name not in kept
        if path.name == layout.running():
            continue
        if is_half or is_undone or (is_replaced and not path.name.startswith(".")):
            remove_tree(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description="The way back from a release that is tried.")
    parser.add_argument("command", choices=("start", "watch"))
    where = UpdateFolders()
    parser.add_argument("--top", type=Path, default=where.top)
    parser.add_argument("--state", type=Path, default=where.state)
    parser.add_argument("--run", type=Path, default=where.run)
    parser.add_argument("--restart", nargs="+", default=RESTART)
    parser.add_argument("--poll", type=float, default=POLL_S, help="seconds")
    given = parser.parse_args(arguments)
    layout = UpdateFolders(given.top, given.state, given.run)
    if given.command == "start":
        on_start(layout)
    else:
        watch(layout, given.restart, poll_s=given.poll)


if __name__ == "__main__":
    main()
