"""Whether the disk still accepts writes: a dying memory card stays mounted and fails each write."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

EVERY_S = 600.0
"""Between two trial writes; one block each, so that they do not wear the card."""

_NAME = ".trial"


class TrialWrite:
    """Writes one byte every ten minutes.

    Args:
        folder: Where; on the file system that is checked.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._next_s: float | None = None
        self._error: str | None = None

    def check(self, now_s: float, *, suspected: bool = False) -> str | None:
        """Return the errno name of the last trial write; empty: it succeeded; None: no such folder.

        Tries again if ten minutes have passed, if the last trial failed, or if *suspected*. Blocks
        on the disk.

        Args:
            now_s: Monotonic.
            suspected: Whether a failure is likely, e.g. because hardly any space is left.
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
