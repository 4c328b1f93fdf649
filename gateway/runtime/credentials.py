"""Secret files as systemd hands them to a service: ``LoadCredential=secrets:FOLDER``.

Each file of the folder, which is root's alone, is copied for the service into the folder that
``CREDENTIALS_DIRECTORY`` names, as ``secrets_NAME``.

Source: systemd.exec(5), "Credentials".
"""

from __future__ import annotations

import os
from pathlib import Path

PREFIX = "secrets_"


def is_credential(path: Path) -> bool:
    """Return whether *path* was handed to this process by systemd."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.parent == Path(folder or "")


def credential_of(path: Path) -> Path:
    """Return the copy of *path* that this process was handed, or *path* itself: there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    copy = Path(folder or "") / f"{PREFIX}{path.name}"
    return copy if folder and copy.exists() else path


def stem_of(path: Path) -> str:
    """Return the name of *path* without its ending, as it is where the file comes from."""
    return path.stem.removeprefix(PREFIX) if is_credential(path) else path.stem


def forbidden_bits(path: Path) -> int:
    """Return the bits of the mode of *path* with which it would be readable by others.

    systemd lets the service's user in by an ACL, whose mask shows as the group's right to read.
    """
    return 0o037 if is_credential(path) else 0o077
