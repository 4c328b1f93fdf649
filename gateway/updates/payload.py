"""Unpacks the payload of a bundle, whose signature has been verified, into a new folder.

The signature says who made it, not that it is well made: what a release may hold is bounded all
the same. Plain files, folders and links that stay inside; nothing absolute, no way up, no device,
no set-uid, so many members, so many bytes. The files belong to whoever unpacks them.

Sources: POSIX.1-2001 (pax), the .xz file format 1.1.0.
"""

from __future__ import annotations

import lzma
import os
import posixpath
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

from gateway.model.errors import UpdateRefused
from gateway.model.reasons import Reason
from gateway.updates.bundle import CHUNK_BYTES

MEMBERS = 100_000
"""Files, folders and links; a release has some 9,000."""

NAME_BYTES = 512
XZ_BYTES = 128 << 20
"""Of memory, for unpacking; ``xz -9`` takes 65 MiB."""

OVERHEAD_BYTES = 128 << 20
"""Headers and padding, beside the files."""

_NAME = re.compile(r"[!-.0-~][ -.0-~]*(?:/[!-.0-~][ -.0-~]*)*")
"""Printable ASCII between slashes; ``..`` is looked for besides."""


class _XzReader:
    """The unpacked bytes of the next *size* of *file*, up to *most*, as `tarfile` reads them."""

    def __init__(self, file: BinaryIO, size: int, most: int) -> None:
        self._file = file
        self._packed, self._left = size, most
        self._xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_BYTES)

    def read(self, size: int) -> bytes:
        content = b""
        while len(content) < size and not self._xz.eof:
            part = b""
            if self._xz.needs_input:
                part = self._file.read(min(self._packed, CHUNK_BYTES))
                if not part:
                    _refuse("it ends too soon")
                self._packed -= len(part)
            content += self._xz.decompress(part, max_length=size - len(content))
        self._left -= len(content)
        if self._left < 0:
            _refuse("it is larger than its manifest says")
        return content


def unpack(file: BinaryIO, size: int, folder: Path, *, most_bytes: int, python: str) -> None:
    """Unpack the next *size* bytes of *file* into *folder*, which is new. Blocks.

    Nothing is on the disk for certain until `sync_tree`.

    Args:
        file: A bundle, at its payload.
        size: Of the payload.
        folder: Is created.
        most_bytes: So many may the files have together.
        python: Version of the Python that a link may lead to outside, e.g. ``3.11``.

    Raises:
        UpdateRefused: ``UPDATE_CONTENT``.
        OSError: The disk is full, or fails.
    """
    folder.mkdir(mode=0o755)
    stream = _XzReader(file, size, most_bytes + OVERHEAD_BYTES)
    taken: set[str] = set()
    left = most_bytes
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
            for count, member in enumerate(archive):
                name = check_member(member, taken, python)
                left -= member.size
                if count >= MEMBERS or left < 0:
                    _refuse("it holds more than its manifest says, or too many files")
                if member.issym():
                    (folder / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                    (folder / name).symlink_to(member.linkname)
                elif member.isdir():
                    (folder / name).mkdir(mode=0o755, parents=True, exist_ok=True)
                else:
                    _make_file(folder / name, member, archive)
            while stream.read(CHUNK_BYTES):  # to its end, which has a checksum
                pass
    except (tarfile.TarError, lzma.LZMAError, ValueError, OverflowError, EOFError) as error:
        _refuse(f"it cannot be unpacked: {type(error).__name__}")
    except (FileExistsError, NotADirectoryError) as error:
        _refuse(f"{Path(error.filename).name} is a file and a folder in it")


def check_member(member: tarfile.TarInfo, taken: set[str], python: str) -> str:
    """Return the name of *member* below its folder, and add it to *taken* unless it is a folder.

    Args:
        member: Of a payload.
        taken: Names of the files and links before it.
        python: As in `unpack`.

    Raises:
        UpdateRefused: It may not be in a release.
    """
    name = _checked_name(member.name, taken)
    if member.issym():
        _check_link(name, member.linkname, python)
    elif not member.isdir() and (not member.isreg() or member.issparse()):
        _refuse(f"{name} is neither a file, a folder nor a link")
    if not member.isdir():
        taken.add(name)
    return name


def sync_tree(folder: Path) -> None:
    """Bring every file and folder below *folder*, and itself, to the disk. Raises OSError.

    All at once first, which is much faster than one after another; then each, which says whether
    that has worked.
    """
    os.sync()
    for path in _all_below(folder):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _all_below(folder: Path) -> Iterator[Path]:
    """Yield files and folders, what is in a folder before it; a link is part of its folder."""
    for where, _, names in os.walk(folder, topdown=False):
        yield from (path for name in names if not (path := Path(where, name)).is_symlink())
        yield Path(where)


def _checked_name(given: str, taken: set[str]) -> str:
    """Return *given* without ``./``, if it stays inside and leads through no file or link."""
    name = posixpath.normpath(given) if given.startswith("./") else given.rstrip("/")
    parts = name.split("/")
    if name == ".":
        return name
    if len(name) > NAME_BYTES or not _NAME.fullmatch(name) or {"..", "."} & set(parts):
        _refuse(f"it holds the name {given[:80]!a}")
    if any("/".join(parts[:count]) in taken for count in range(1, len(parts) + 1)):
        _refuse(f"{name} leads through a link or a file, or is in it twice")
    return name


def _check_link(name: str, target: str, python: str) -> None:
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    is_python = target == f"/usr/bin/python{python}" and name.startswith("bin/python")
    if not is_python and (target.startswith("/") or inside.split("/")[0] == ".."):
        _refuse(f"the link {name} leads outside")


def _make_file(path: Path, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
    mode = 0o755 if member.mode & 0o100 else 0o644
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    source = archive.extractfile(member)
    assert source is not None
    with open(handle, "wb") as file:
        os.fchmod(handle, mode)
        left = member.size
        while left:
            part = source.read(min(left, CHUNK_BYTES))
            if not part:
                _refuse(f"{member.name[:80]!a} ends too soon")
            file.write(part)
            left -= len(part)


def _refuse(detail: str) -> NoReturn:
    raise UpdateRefused(Reason.UPDATE_CONTENT, detail)
