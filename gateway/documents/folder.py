"""Reads document files from a folder of this machine.

Whoever may write there is not trusted: a file is opened without waiting and without following a
link, and read up to the largest size that is taken.
"""

from __future__ import annotations

import asyncio
import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from gateway.model.document_template import DOCUMENT_BYTES
from gateway.model.errors import ConfigRejected, Fault, TransientError, unreadable
from gateway.model.reasons import Reason

MOST_NAMES = 10_000
"""In the folder; more are not looked at."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """By what it is known whether a file has changed.

    Attributes:
        name: As it is spelt on the disk.
        size: In bytes.
        changed_ns: When its content was changed last.
    """

    name: str
    size: int
    changed_ns: int


class DocumentFolder:
    """One folder; `gateway.documents.service.DocumentSource`.

    Args:
        folder: Where files are put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find(self, names: frozenset[str]) -> dict[str, FileMark]:
        """Return those of *names* (NFC) that are there, however their accents are encoded.

        Raises:
            TransientError: The folder cannot be read.
        """
        return await asyncio.to_thread(self._found, names)

    async def read(self, mark: FileMark) -> bytes:
        """Return the content of *mark*, at most one byte more than is taken.

        Raises:
            TransientError: It cannot be read.
        """
        path = self._folder / mark.name
        try:
            return await asyncio.to_thread(_read, path)
        except OSError as error:
            raise _unreadable(path, error) from None

    def _found(self, names: frozenset[str]) -> dict[str, FileMark]:
        found = {}
        try:
            with os.scandir(self._folder) as entries:
                for _, entry in zip(range(MOST_NAMES), entries, strict=False):
                    name = unicodedata.normalize("NFC", entry.name)
                    if name in names and entry.is_file(follow_symlinks=False):
                        mark = entry.stat(follow_symlinks=False)
                        found[name] = FileMark(entry.name, mark.st_size, mark.st_mtime_ns)
        except OSError as error:
            raise _unreadable(self._folder, error) from None
        return found


def read_file(path: Path) -> bytes:
    """Return the content of *path*, which a person has named. Raises ConfigRejected."""
    try:
        return _read(path)
    except OSError as error:
        raise ConfigRejected((Fault("", "file", unreadable(path, error)),)) from None


def _read(path: Path) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is not a file")
        return file.read(DOCUMENT_BYTES + 1)


def _unreadable(path: Path, error: OSError) -> TransientError:
    return TransientError(Reason.DOCUMENT_SOURCE, unreadable(path, error))
