"""What is tried and what has become of it, on the disk, so that a power cut leaves it whole.

Nothing but Python's own library: see `gateway.updates.rollback`. Each step is a file renamed and
its folder synced. Times are of the boot clock, never of the calendar.

Sources: rename(2), fsync(2).
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

TRYING, REPORT, MINIMUM, PROGRAM = "trying", "report.json", "minimum-version", "rollback.pyz"
HEALTH = "health.json"
"""Written by the gateway every few seconds, in its run-time folder (`gateway.updates.health`)."""

LARGEST_BYTES = 1 << 20
"""Of a file that is read here; 512 cameras take 20 kB."""


@dataclass(frozen=True)
class UpdateFolders:
    """Where things are.

    Attributes:
        top: Holds ``releases/<version>`` and the link ``current``.
        state: Root's own, for what is tried and what has become of it.
        run: The gateway's run-time folder.
    """

    top: Path = Path("/opt/camera-gateway")
    state: Path = Path("/var/lib/camera-gateway-update")
    run: Path = Path("/run/camera-gateway")

    @property
    def releases(self) -> Path:
        return self.top / "releases"

    def running(self) -> str:
        """Return the version that ``current`` names; "": none."""
        try:
            return os.path.basename(os.readlink(self.top / "current"))
        except OSError:
            return ""

    def is_runnable(self, version: str) -> bool:
        """Return whether *version* is there, whole enough to be started."""
        return bool(version) and (self.releases / version / "bin" / "camera-gateway").is_file()


@dataclass(frozen=True)
class Limits:
    """What a release has to show, from the settings of this machine.

    Attributes:
        crashes: So many starts it is given.
        gate_s: For so long it must run without a restart.
        patience_s: So much longer it may take to be healthy.
        connect_s: For so long at a stretch it must have been connected, if the former was.
        min_alive_percent: Of the cameras that worked before, so many must work.
    """

    crashes: int = 3
    gate_s: float = 600.0
    patience_s: float = 300.0
    connect_s: float = 60.0
    min_alive_percent: int = 95


@dataclass(frozen=True)
class Health:
    """What a gateway says of itself.

    Attributes:
        version: Which one says it.
        up_s: When, by the boot clock.
        connected: Whether the centre is reached.
        working: Ids of the cameras that send, or would on demand.
        enabled: Ids of those that are configured and not paused.
        paused: Ids of those that are configured and paused.
    """

    version: str = ""
    up_s: float = float("-inf")
    connected: bool = False
    working: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """How it has ended: ``applied`` or ``rolled_back``, and why, in the configuration's words."""

    state: str
    why: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Candidate:
    """The release that is tried.

    Attributes:
        id: Of the order; for the report.
        version: Of the release.
        previous: Of the one that ran before, which is gone back to.
        min_version: What the release demands; counts once it has proved good.
        limits: What it has to show.
        before: How the site was before it.
        starts: How often it has been started.
        boot: In which boot the last of these was.
        started_s: When, by the boot clock.
        connected: Whether it has been connected for long enough, in any of its starts.
        decision: How it ends, once that is known.
    """

    id: str
    version: str
    previous: str
    min_version: str
    limits: Limits = field(default_factory=Limits)
    before: Health = field(default_factory=Health)
    starts: int = 0
    boot: str = ""
    started_s: float = 0.0
    connected: bool = False
    decision: Decision | None = None


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace what *path* holds; a power cut leaves the old content or the new."""
    new = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(content)
        file.flush()
        os.fsync(handle)
    new.replace(path)
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Delete *path*, if it is there."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_tree(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in *path*, which may be a stranger's; None: there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        raw = file.read(LARGEST_BYTES + 1)
    try:
        tree = json.loads(raw) if len(raw) <= LARGEST_BYTES else None
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def switch(layout: UpdateFolders, version: str) -> None:
    """Let ``current`` name *version*: the old link or the new one is there at any moment."""
    new = layout.top / ".current.new"
    new.unlink(missing_ok=True)
    new.symlink_to(Path("releases") / version)
    new.replace(layout.top / "current")
    sync_folder(layout.top)


@contextmanager
def locked(layout: UpdateFolders) -> Iterator[None]:
    """Keep all others out that change what is tried."""
    handle = os.open(layout.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def load_candidate(layout: UpdateFolders) -> Candidate | None:
    """Return what is tried; None: nothing is, or its file is damaged and has been put aside."""
    path = layout.state / TRYING
    if not path.exists():
        return None
    tree = read_tree(path) or {}
    try:
        decision = tree.get("decision")
        return replace(
            Candidate(**tree),
            limits=Limits(**tree["limits"]),
            before=health_of(tree["before"]),
            decision=Decision(**decision) if decision else None,
        )
    except (KeyError, TypeError, ValueError):
        say("the record of what is tried is damaged")
        path.replace(path.with_name(f"{TRYING}.damaged"))
        sync_folder(path.parent)
        return None


def is_tried(version: str, layout: UpdateFolders | None = None) -> bool:
    """Return whether *version* may still be undone; what asks may be a service's user."""
    tree = read_tree((layout or UpdateFolders()).state / TRYING) or {}
    return tree.get("version") == version


def save_candidate(layout: UpdateFolders, candidate: Candidate) -> None:
    """Write what is tried."""
    write_file(layout.state / TRYING, json.dumps(asdict(candidate)).encode())


def report(
    layout: UpdateFolders, candidate: Candidate, state: str, decision: Decision | None
) -> None:
    """Tell the gateway, for the centre, what has become of *candidate*."""
    why = decision or Decision(state)
    tree = {
        "id": candidate.id,
        "state": state,
        "version": candidate.version,
        "previous": candidate.previous,
        "why": why.why,
        "reason": why.reason,
        "detail": why.detail[:400],
        "attempt": candidate.starts,
        "boot": candidate.boot,
        "deadline_s": candidate.started_s + candidate.limits.gate_s + candidate.limits.patience_s,
    }
    write_file(layout.state / REPORT, json.dumps(tree).encode())


def settle_report(layout: UpdateFolders) -> None:
    """End a report of an installation that was killed before it came to anything."""
    if not (layout.state / REPORT).exists():
        return
    with locked(layout):
        tree = read_tree(layout.state / REPORT) or {}
        if tree.get("state") == "applying":
            tree |= {"state": "rejected", "reason": "UPDATE_INTERRUPTED"}
            write_file(layout.state / REPORT, json.dumps(tree).encode())


def health_of(tree: dict[str, Any]) -> Health:
    """Return what *tree* says. Raises KeyError, TypeError, ValueError."""
    return Health(
        version=str(tree["version"])[:64],
        up_s=float(tree["up_s"]),
        connected=tree["connected"] is True,
        working=_ids(tree["working"]),
        enabled=_ids(tree["enabled"]),
        paused=_ids(tree.get("paused", [])),  # a release of before says nothing of them
    )


def _ids(listed: list[Any]) -> tuple[str, ...]:
    return tuple(str(each)[:64] for each in listed[:512])


def read_health(layout: UpdateFolders) -> Health:
    """Return what the gateway says of itself; what nobody has said is not healthy."""
    try:
        return health_of(read_tree(layout.run / HEALTH) or {})
    except (KeyError, TypeError, ValueError):
        return Health()


def raise_minimum(layout: UpdateFolders, version: str) -> None:
    """Remember that nothing below *version* may be installed; it is never lowered."""
    path = layout.state / MINIMUM
    if numbers_of(version) > numbers_of(read_minimum(layout)):
        write_file(path, f"{version}\n".encode())


def read_minimum(layout: UpdateFolders) -> str:
    """Return the lowest version that may be installed; "": none is too old."""
    try:
        return (layout.state / MINIMUM).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the three numbers of *version*, for comparison; (): it has none."""
    parts = version.partition("+")[0].split(".")
    return tuple(map(int, parts)) if len(parts) == 3 and all(map(str.isdecimal, parts)) else ()


def remove_tree(path: Path) -> None:
    """Remove a release, under a name by which nobody takes it for one any more."""
    away = path.with_name(f".gone-{path.name.lstrip('.')}")
    if path != away:
        path.replace(away)
    for folder, folders, files in os.walk(away, topdown=False):
        for name in files:
            Path(folder, name).unlink()
        for name in folders:
            inner = Path(folder, name)
            inner.unlink() if inner.is_symlink() else inner.rmdir()
    away.rmdir()


def boot_s() -> float:
    """Return the boot clock: monotonic, and it goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return what names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def say(text: str) -> None:
    """Tell the journal."""
    sys.stderr.write(f"camera-gateway-update: {text}\n")
