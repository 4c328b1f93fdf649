"""Which files this process, and what it starts, may still open: Landlock. Cannot be undone.

Sources: landlock(7), linux/landlock.h; the system call numbers are those of every architecture.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_IOCTL = 1 << 15
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""By version of the interface, how many rights over files there are; each is one bit."""
_TCP = 3
"""Both rights over TCP, from version 4 on: bind and connect."""

_CHANGES = _WRITE | sum(1 << bit for bit in range(4, 13)) | 1 << 14
"""To write, truncate, make and remove files of any kind; not to move them to another folder."""


def landlock_version() -> int:
    """Return the version of the kernel's interface; below 1: it has none."""
    return int(ctypes.CDLL(None).syscall(_CREATE, None, 0, _ASK_VERSION))


def restrict_files(read: Iterable[str], execute: Iterable[str], devices: Iterable[str]) -> bool:
    """Allow these files and nothing else; return False if the kernel has no Landlock.

    Needs PR_SET_NO_NEW_PRIVS. What does not exist is left out. TCP goes too, where the kernel can.

    Args:
        read: Files, and folders with all that is in them.
        execute: What may be read and executed.
        devices: What may be read, written and controlled (ioctl).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = landlock_version()
    if version < 1:
        return False
    handled = (1 << _RIGHTS[min(version, max(_RIGHTS))]) - 1
    attributes = struct.pack("=QQ", handled, _TCP if version >= 4 else 0)
    length = len(attributes) if version >= 4 else 8
    rules = libc.syscall(_CREATE, attributes, length, 0)
    if rules < 0:
        return False
    try:
        for paths, rights in (
            (read, _READ | _LIST),
            (execute, _READ | _LIST | _EXECUTE),
            (devices, _READ | _LIST | _WRITE | _IOCTL),
        ):
            for path in paths:
                with suppress(OSError):
                    _allow(libc, rules, path, rights & handled)
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def restrict_changes(paths: Iterable[str]) -> bool:
    """Allow changes beneath *paths* and nowhere else; return False if the kernel has no Landlock.

    Reading, executing and sockets stay as they are. Needs PR_SET_NO_NEW_PRIVS. What does not exist
    is left out.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = landlock_version()
    if version < 1:
        return False
    handled = _CHANGES & ((1 << _RIGHTS[min(version, max(_RIGHTS))]) - 1)
    rules = libc.syscall(_CREATE, struct.pack("=Q", handled), 8, 0)
    if rules < 0:
        return False
    try:
        for path in paths:
            with suppress(OSError):
                rights = handled if os.path.isdir(path) else handled & (_WRITE | 1 << 14)
                _allow(libc, rules, path, rights)
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    """Allow *rights* beneath *path*. Raises OSError if it does not exist."""
    at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= ~_LIST
        libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, at), 0)
    finally:
        os.close(at)
