"""What the product would find on the disk after each power cut."""

from __future__ import annotations

import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.commands.journal import CommandJournal
from gateway.mqtt.outbox.store import OutboxStore
from gateway.remote_config.startup import resume_candidate
from gateway.remote_config.store import ConfigStore

CRASHES = 3
MOUNT_S = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """What the centre knew when the power went, and what was lost.

    Attributes:
        name: Of the image.
        applied: The newest version that was reported applied.
        undone: The versions that were reported rolled back.
        sent: The newest version that was sent.
        event: The highest number of an event that the centre has.
        commands: The ids of commands that were answered as accepted.
        pending: Sectors that had not been flushed.
        survived: How many of them are there all the same.
    """

    name: str
    applied: int
    undone: frozenset[int]
    sent: int
    event: int
    commands: frozenset[str]
    pending: int
    survived: int


@dataclass
class Found:
    """What was found on all images.

    Attributes:
        counts: How often what was found.
        wrong: What must never be.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def look_at(image: Path, moment: Moment, mount_at: Path, found: Found) -> None:
    """Add to *found* what is on *image*, which is of *moment*."""
    found.counts["cuts"] += 1
    found.counts["cuts that lost sectors"] += moment.survived < moment.pending
    with mounted(image, mount_at) as fault:
        if fault:
            found.wrong.append(f"{moment.name}: cannot be mounted: {fault}")
            return
        state = mount_at / "state"
        _look_at_document(state, moment, found)
        _look_at_outbox(state, moment, found)
        _look_at_journal(state, moment, found)
        for path in state.iterdir():
            if path.suffix == ".json" and not path.name.startswith(".") and not path.stat().st_size:
                found.wrong.append(f"{moment.name}: {path.name} is empty")


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[str]:
    """Mount *image*, whose journal is replayed, and yield why it could not be; empty: it is."""
    done = subprocess.run(
        ("mount", "-o", "loop", str(image), str(at)),
        capture_output=True,
        text=True,
        timeout=MOUNT_S,
    )
    try:
        yield done.stderr.strip() if done.returncode else ""
    finally:
        if not done.returncode:
            subprocess.run(("umount", str(at)), check=True, timeout=MOUNT_S)


def _look_at_document(state: Path, moment: Moment, found: Found) -> None:
    store = ConfigStore(state)
    confirmed, faults = store.load_confirmed()
    running = resume_candidate(store, confirmed, crashes=CRASHES) or confirmed
    version = running.version if running else 0
    right = moment.applied <= version <= moment.sent and version not in moment.undone
    if faults or not right:
        found.wrong.append(
            f"{moment.name}: document {version}; applied {moment.applied}, sent {moment.sent},"
            f" undone {sorted(moment.undone)[-3:]}, faults {[str(each) for each in faults]}"
        )
    else:
        found.counts["new document" if version == moment.sent else "old document"] += 1


def _look_at_outbox(state: Path, moment: Moment, found: Found) -> None:
    path = state / "outbox.db"
    if not path.exists():
        return
    with closing(OutboxStore(path)) as outbox:
        stored = outbox.load()
    if stored.corrupt or (stored.last or 0) < moment.event:
        found.wrong.append(
            f"{moment.name}: outbox: corrupt {stored.corrupt}, last {stored.last},"
            f" the centre has {moment.event}"
        )
    else:
        found.counts["outbox whole"] += 1


def _look_at_journal(state: Path, moment: Moment, found: Found) -> None:
    path = state / "commands.db"
    if not path.exists():
        return
    with closing(CommandJournal(path)) as journal:
        try:
            lost = [each for each in moment.commands if journal.find(each) is None]
        except sqlite3.Error as error:
            found.wrong.append(f"{moment.name}: journal: {error}")
            return
    if lost:
        found.wrong.append(f"{moment.name}: journal lacks {len(lost)} accepted commands")
    else:
        found.counts["journal whole"] += 1
