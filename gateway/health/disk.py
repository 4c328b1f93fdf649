"""Whether the card still takes what is written: a dying one stays mounted and fails each write."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

EVERY_S = 600.0
"""Between two trial writes; one block each, so that looking after the card does not wear it."""

_NAME = ".trial"


class TrialWrite:
    """Writes one byte now and then.

    Args:
        folder: On the file system that is tried.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._next_s: float | None = None
        self._error: str | None = None

    def check(self, now_s: float, *, suspected: bool = False) -> str | None:
        """Return how the last trial failed, e.g. ``ENOSPC``; empty: well; None: no such folder.

        A failure is looked at again each time, so that a full disk that was tidied is well at
        once; and so is what is *suspected*, e.g. because hardly any room is left. Waits for the
        disk.
        """
        if self._next_s is None or self._error or suspected or now_s >= self._next_s:
            self._next_s = now_s + EVERY_S
            self._error = self._try_write()
        return self._error

    def _try_write(self) -> str | None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, "EIO")
        finally:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        return ""
