"""Files at a path that a person has given to a command, who may have typed it after ``sudo``.

Root may write everywhere, so a link in a folder of somebody else's would lead root where that
person may not write. On the way to such a file root follows a link only if root made it, or
whoever has called sudo; the folder is then held open, so that nobody changes the way meanwhile.
For others the kernel's rules are enough. What stands at the path must be a plain file, which is
replaced: neither a link nor a device, such as ``/dev/stdout``.

References: open(2), O_PATH and O_NOFOLLOW; symlink(7); sudo(8), SUDO_UID.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gateway.model.errors import ConfigRejected, Fault, TransientError
from gateway.runtime import atomic_file

MOST_LINKS = 40
"""As the kernel follows (path_resolution(7))."""

_PART = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def write_given(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace what is at *path* by *content*; its folder is made if need be. Blocks.

    Raises:
        ConfigRejected: ``output``: it cannot be written. ``output.link``: a link of somebody
            else's is on the way.
    """
    with held_folder(path.parent) as folder:
        target = folder / path.name
        if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode):
            message = f"{path} is there already, and no plain file; give another name"
            raise ConfigRejected((Fault("", "output", message),))
        try:
            atomic_file.replace(target, content, prepare=lambda handle: os.fchmod(handle, mode))
        except TransientError as error:
            raise ConfigRejected((Fault("", "output", error.detail),)) from None


def followed_owners(environment: Mapping[str, str] = os.environ) -> frozenset[int] | None:
    """Return whose links are followed; None: everybody's, for this is not root."""
    if os.geteuid() != 0:
        return None
    caller = environment.get("SUDO_UID", "")
    return frozenset({0, int(caller)} if caller.isascii() and caller.isdigit() else {0})


@contextmanager
def held_folder(folder: Path, owners: Collection[int] | None = None) -> Iterator[Path]:
    """Yield a path of *folder* that stays the same folder; it is made if need be.

    What is raised within names the path that was given.

    Args:
        folder: As it was typed.
        owners: Whose links are followed; None: see `followed_owners`.

    Raises:
        ConfigRejected: As `write_given`.
    """
    owners = followed_owners() if owners is None else owners
    if owners is None:
        yield folder
        return
    handle = _opened(folder, owners)
    held = Path(f"/proc/self/fd/{handle}")
    try:
        yield held
    except ConfigRejected as error:
        faults = (
            replace(each, message=each.message.replace(str(held), str(folder)))
            for each in error.faults
        )
        raise ConfigRejected(tuple(faults), file=error.file) from None
    finally:
        os.close(handle)


def _opened(folder: Path, owners: Collection[int]) -> int:
    parts, links = deque(folder.absolute().parts[1:]), 0
    at = os.open("/", _PART)
    try:
        while parts:
            found = _entered(at, parts.popleft())
            told = os.fstat(found)
            if stat.S_ISLNK(told.st_mode):
                link = os.readlink("", dir_fd=found)
                os.close(found)
                links += 1
                if told.st_uid not in owners or links > MOST_LINKS:
                    raise _refused(folder, link)
                parts.extendleft(reversed(Path(link).parts))
                continue
            os.close(at)
            at = found
            if not stat.S_ISDIR(told.st_mode):
                raise NotADirectoryError(20, "Not a directory")
    except OSError as error:
        os.close(at)
        message = f"cannot write into {folder}: {error.strerror}"
        raise ConfigRejected((Fault("", "output", message),)) from None
    except BaseException:
        os.close(at)
        raise
    return at


def _entered(at: int, name: str) -> int:
    """Return *name* in the folder *at*, which is made if need be; of a link the link itself."""
    if name == "/":
        return os.open("/", _PART)
    try:
        return os.open(name, _PART, dir_fd=at)
    except FileNotFoundError:
        os.mkdir(name, dir_fd=at)
        return os.open(name, _PART, dir_fd=at)


def _refused(folder: Path, link: str) -> ConfigRejected:
    message = f"{folder}: a link of another user leads to {link}; root does not write through it"
    return ConfigRejected((Fault("", "output.link", message, {"path": str(folder), "to": link}),))
