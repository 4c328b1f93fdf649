"""Keeps other processes out of what one of them is doing, for as long as it lives.

Sources: flock(2): the lock goes with its descriptor, also where the process is killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of *path*, a folder that is there or a file that is made for it.

    Args:
        path: A file of it stays.
        wait: Wait for whoever has it; this blocks.

    Raises:
        BlockingIOError: Another has it.
        OSError: It cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
