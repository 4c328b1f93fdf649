"""A login in a camera's URL: never written there, only the place where it is put in.

Some cameras want it in path or query, e.g. ``rtsp://host/user={username}&password={password}&channel=1``.
"""

from __future__ import annotations

import re

USERNAME, PASSWORD = "{username}", "{password}"
"""What stands in the URL for the camera's user and password."""

_WRITTEN_PASSWORD = re.compile(r"(?i)(?:password|passwd|pwd|pass)=(?!\{password\}|&|$)")


def without_places(path: str) -> str:
    """Return *path* without the places for user and password."""
    return path.replace(USERNAME, "").replace(PASSWORD, "")


def has_written_password(path: str) -> bool:
    """Return whether a password stands in *path*, instead of what stands for it."""
    return _WRITTEN_PASSWORD.search(path) is not None
