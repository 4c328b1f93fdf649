"""What a set-up, which root runs, gives up before it listens. Cannot be undone.

It talks to browsers and to recorders, so it keeps what it needs to write the box's own files and no
more: three capabilities, and changes in the folders of settings and state alone.

Sources: capabilities(7), linux/capability.h, prctl(2), landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.vision.landlock import restrict_changes

_PR_SET_NO_NEW_PRIVS = 38
_VERSION_3 = 0x2008_0522
_CHOWN, _DAC_OVERRIDE, _FOWNER = 0, 1, 3
KEPT = 1 << _CHOWN | 1 << _DAC_OVERRIDE | 1 << _FOWNER
"""To give files to the service's user, and to write into its folder."""

DEVICES = ("/dev/null", "/dev/tty")
"""Opened for children, and to ask for passwords."""


def drop_privileges(folders: Sequence[Path]) -> tuple[str, ...]:
    """Give up what is not needed; return what could not be given up.

    Args:
        folders: In which files are changed from now on; made where they are missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    missing = []
    for folder in folders:
        with suppress(OSError):  # writing into it will say why
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        missing.append("privileges")
    if os.geteuid() == 0:
        header = struct.pack("=Ii", _VERSION_3, 0)
        if libc.capset(header, struct.pack("=6I", KEPT, KEPT, 0, 0, 0, 0)) != 0:
            missing.append("capabilities")
    if not restrict_changes([*map(str, folders), *DEVICES]):
        missing.append("files")
    return tuple(missing)
