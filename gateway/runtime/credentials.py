"""Secret files as systemd hands them to a service: ``LoadCredential=secrets:FOLDER``.

Each file of the folder, which is root's alone, is copied for the service into the folder that
``CREDENTIALS_DIRECTORY`` names, as ``secrets_NAME``.

Source: systemd.exec(5), "Credentials".
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

PREFIX = "secrets_"


def is_credential(path: Path) -> bool:
    """Return whether *path* was handed to this process by systemd."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.parent == Path(folder or "")


def credential_of(path: Path) -> Path:
    """Return the copy of *path* that this process was handed; no service: *path* itself.

    Raises:
        FileNotFoundError: This is a service, and *path* was not there when it was started.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return path
    copy = Path(folder) / f"{PREFIX}{path.name}"
    if not copy.exists():
        raise FileNotFoundError(errno.ENOENT, "it was not there at the start", str(path))
    return copy


def stem_of(path: Path) -> str:
    """Return the name of *path* without its ending, as it is where the file comes from."""
    return path.stem.removeprefix(PREFIX) if is_credential(path) else path.stem


def forbidden_bits(path: Path) -> int:
    """Return the bits of the mode of *path* with which it would be readable by others.

    systemd lets the service's user in by an ACL, whose mask shows as the group's right to read.
    """
    return 0o037 if is_credential(path) else 0o077
