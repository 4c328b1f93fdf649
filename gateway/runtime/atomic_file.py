"""Replaces files atomically: after a power cut there is the old content or the new, whole.

The steps: write a new file and sync it; rename the current file to its predecessor, if one is
wanted; rename the new file to the current one; sync the folder. Each step is atomic, so that a
reader finds a whole file after a cut at any of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason

_REASONS = {errno.ENOSPC: Reason.DISK_FULL, errno.EDQUOT: Reason.DISK_FULL}


def replace(
    path: Path,
    content: bytes,
    *,
    previous: Path | None = None,
    prepare: Callable[[int], None] | None = None,
) -> None:
    """Replace what *path* holds by *content*, which survives a power cut on return. Blocks.

    Args:
        path: Its folder is created if need be. Only its owner can read the file.
        content: The whole content.
        previous: The former content is saved under this name, if given.
        prepare: Gives the new file another owner or mode, by its descriptor: what another has put
            at one of its names meanwhile is not touched.

    Raises:
        TransientError: The disk is full or read-only; what was there is untouched.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_synced(new, content, prepare)
            if previous is not None:
                preserve(path, previous)
            new.replace(path)
        finally:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from None


def owned_like(folder: Path) -> Callable[[int], None]:
    """Return a `prepare` that gives a new file the owner of *folder*.

    For what root writes among the files of the service, which has to read and replace it.
    """

    def prepare(handle: int) -> None:
        wanted, found = folder.stat(), os.fstat(handle)
        if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid):
            os.fchown(handle, wanted.st_uid, wanted.st_gid)

    return prepare


def preserve(path: Path, previous: Path) -> None:
    """Let *previous* name what stands in *path*, if there is such a file. Raises OSError."""
    link = path.with_name(f".{path.name}.link")
    link.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.link(path, link)
        link.replace(previous)


def rename(old: Path, new: Path, *, previous: Path | None) -> None:
    """Give *old* the name *new*, and what had that name *previous*, if given; survives a power cut.

    Raises:
        TransientError: The disk is read-only; nothing has changed.
    """
    try:
        if previous is not None:
            preserve(new, previous)
        old.replace(new)
        sync_folder(new.parent)
    except OSError as error:
        raise disk_error(new, error) from None


def remove(path: Path) -> None:
    """Delete *path* if it exists. Raises TransientError: the disk is read-only."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from None


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* survive a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(path: Path, error: OSError) -> TransientError:
    """Return *error* of writing *path* as a transient error with its reason."""
    reason = _REASONS.get(error.errno or 0, Reason.DISK_READONLY)
    return TransientError(reason, f"cannot write {path}: {error.strerror}")


def _write_synced(path: Path, content: bytes, prepare: Callable[[int], None] | None) -> None:
    """Write *path*, a file of our own making: neither a link nor what was left there before."""
    path.unlink(missing_ok=True)
    with open(path, "xb", opener=_open_private) as file:
        file.write(content)
        if prepare is not None:
            prepare(file.fileno())
        file.flush()
        os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
