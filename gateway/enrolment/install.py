"""Puts what the centre has given onto this machine: all of it, or nothing.

New files are written and synced beside the old ones; then each takes its place, the settings last.
If one cannot, those before it are put back. The former files stay as ``*.previous``. A power cut
between two of these renames is mended by the same command with the same code: the key waits in
``tls/.enrolling.key`` until all is done, and the same key gets the same certificate.
"""

from __future__ import annotations

import grp
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.model.errors import TransientError
from gateway.runtime import atomic_file

PREVIOUS = ".previous"
PENDING_KEY = "tls/.enrolling.key"
ENROLLED = "tls/.enrolled"
"""Which code was used here: the same command again is no other machine."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is to be there.

    Attributes:
        path: Where.
        content: All of it.
        mode: Permission bits.
        group: Name of its group; None: that of who writes. Only root can give it away.
    """

    path: Path
    content: bytes
    mode: int = 0o644
    group: str | None = None


def install(files: tuple[NewFile, ...]) -> None:
    """Put *files* into their places, in order, or leave all as it was. Blocks.

    Raises:
        EnrolmentError: ``disk``: one cannot be written.
    """
    staged = [(each, each.path.with_name(f".{each.path.name}.enrolled")) for each in files]
    done: list[NewFile] = []
    try:
        for file, stage in staged:
            atomic_file.replace(stage, file.content, prepare=_preparing(file))
        for file, stage in staged:
            previous = file.path.with_name(file.path.name + PREVIOUS)
            previous.unlink(missing_ok=True)
            atomic_file.rename(stage, file.path, previous=previous)
            done.append(file)
    except (TransientError, OSError) as error:
        _put_back(done)
        raise EnrolmentError(EnrolmentReason.DISK, str(error)) from None
    finally:
        for _, stage in staged:
            with suppress(OSError):
                stage.unlink(missing_ok=True)


def _put_back(done: list[NewFile]) -> None:
    """Undo what is *done*, last first; what cannot be undone is as new as what comes after it."""
    for file in reversed(done):
        previous = file.path.with_name(file.path.name + PREVIOUS)
        with suppress(TransientError, OSError):
            if previous.exists():
                atomic_file.rename(previous, file.path, previous=None)
            else:
                atomic_file.remove(file.path)


def _preparing(file: NewFile) -> Callable[[int], None]:
    def prepare(descriptor: int) -> None:
        if file.group is not None and os.geteuid() == 0:
            with suppress(KeyError):  # no such group: a machine without the package
                os.fchown(descriptor, -1, grp.getgrnam(file.group).gr_gid)
        os.fchmod(descriptor, file.mode)

    return prepare
