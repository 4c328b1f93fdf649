"""Which build of the program runs: the release and the commit it was made from.

``scripts/install`` and the packages write the commit into `COMMIT_FILE`; without it, as from a bare
archive, the release alone is told.
"""

from __future__ import annotations

import re
from pathlib import Path

from gateway.model.version import VERSION

COMMIT_FILE = Path(__file__).parents[1] / "commit.txt"
"""One line: the abbreviated commit, ``.dirty`` behind it where the tree had been changed."""

_COMMIT = re.compile(r"[0-9a-f]{7,40}(\.dirty)?")


def full_version(file: Path = COMMIT_FILE) -> str:
    """Return e.g. ``0.1.0+g1a2b3c4d5`` (Semantic Versioning: the commit is build metadata).

    Args:
        file: Where the commit stands; one that is missing or holds no commit is left out.
    """
    try:
        with file.open("rb") as opened:
            commit = opened.read(64).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return VERSION
    return f"{VERSION}+g{commit}" if _COMMIT.fullmatch(commit) else VERSION


FULL_VERSION = full_version()
USER_AGENT = f"camera-gateway/{FULL_VERSION}"
"""What cameras and upload hosts are told (RFC 9110 §10.1.5)."""
