"""The lowest version that may still run on this machine: no way back to a known hole (T19).

Each release says in `gateway.model.version.MINIMUM_VERSION` below which version nothing is to run
any more. The highest of these that ever ran here is on the disk, in the state folder. A version
below it refuses to start. Whoever installs goes back on purpose by removing the file.

Only versions that have this check can refuse, and only for a state folder that is still there.
"""

from __future__ import annotations

import re
from pathlib import Path

import structlog

from gateway.model.errors import ConfigRejected, Fault, TransientError
from gateway.model.version import MINIMUM_VERSION, VERSION
from gateway.runtime import atomic_file

MINIMUM_FILE = "minimum-version"
"""In the state folder: the version, e.g. ``0.2.0``, and a line feed."""

_LONGEST = 32
_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})")

log = structlog.get_logger(__name__)


def numbers_of(version: str) -> tuple[int, ...] | None:
    """Return *version* (Semantic Versioning: three numbers) for comparison; None: it is none."""
    found = _VERSION.fullmatch(version)
    return tuple(int(number) for number in found.groups()) if found else None


def check_minimum(folder: Path, *, version: str = VERSION) -> None:
    """Refuse a version that is below the minimum that was seen on this machine.

    A file that cannot be read is logged and refuses nothing: damage is no outage.

    Args:
        folder: The state folder.
        version: What is about to run.

    Raises:
        ConfigRejected: It is below the minimum (``release.old``).
    """
    minimum = _stored(folder / MINIMUM_FILE)
    if minimum is not None and (numbers_of(version) or ()) < minimum:
        lowest = ".".join(map(str, minimum))
        message = (
            f"this is version {version}, and a newer one has run here that allows nothing below"
            f" {lowest}; install {lowest} or newer, or, to go back on purpose, remove this file"
        )
        raise ConfigRejected((Fault("", "release.old", message, {"minimum": lowest}),))


def remember_minimum(folder: Path, *, minimum: str = MINIMUM_VERSION) -> None:
    """Write *minimum*, unless one at least as high is there; waits for the disk.

    A disk that fails is logged: an older version could then come back.

    Args:
        folder: The state folder.
        minimum: What the running release demands, three numbers.
    """
    path = folder / MINIMUM_FILE
    if (numbers_of(minimum) or ()) <= (_stored(path) or ()):
        return
    try:
        atomic_file.replace(path, f"{minimum}\n".encode())
    except TransientError as error:
        log.warning("minimum_version_unsaved", path=str(path), detail=error.detail)


def _stored(path: Path) -> tuple[int, ...] | None:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        log.error("minimum_version_unreadable", path=str(path), detail=type(error).__name__)
        return None
    numbers = numbers_of(content.decode("ascii", "replace").removesuffix("\n"))
    if numbers is None:
        log.error("minimum_version_unreadable", path=str(path), detail="not a version")
    return numbers
