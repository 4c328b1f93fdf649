"""The number of each connection, growing for ever, even over a wiped card or a clock at 1970.

It is on the disk before the connection begins, so that no later connection can have a lower one;
readers tell by it which of two presences is the newer. Also the one place that reads the wall
clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import structlog

from gateway.mqtt.payloads.codec import Stamp

log = structlog.get_logger(__name__)

_HIGHEST = 2**53
"""Above this JSON readers may round; a file that says more is garbage."""


def now_ms() -> int:
    """Return the wall clock, UTC."""
    return time.time_ns() // 1_000_000


class Epochs:
    """Numbers the connections and the messages within each.

    Args:
        path: File that holds the last number; its folder exists. None: nothing is kept, and the
            clock alone gives the number (a console, a test).
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._warned = False
        self._number = 0
        self.epoch = self._stored()
        """Of the newest connection; before the first of this process, of the last one before."""

    def advance(self) -> int:
        """Begin a new epoch and return it. Writes and waits for the disk: not for the loop.

        A disk that is full or read-only is said once; the number then comes from the clock and
        from what this process has used.
        """
        self.epoch = max(self._stored() + 1, self.epoch + 1, min(now_ms(), _HIGHEST))
        self._number = 0
        if self._path is not None:
            self._store(self._path)
        return self.epoch

    def stamp(self) -> Stamp:
        """Return the stamp of the next message."""
        self._number += 1
        return Stamp(now_ms(), self.epoch, self._number)

    def _stored(self) -> int:
        if self._path is None:
            return 0
        try:
            with self._path.open("rb") as file:
                epoch = int(file.read(32))
        except (OSError, ValueError):
            return 0
        return epoch if 0 < epoch < _HIGHEST else 0

    def _store(self, path: Path) -> None:
        fresh = path.with_name(path.name + ".new")
        try:
            with fresh.open("wb") as file:
                file.write(b"%d\n" % self.epoch)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            if not self._warned:
                log.warning("epoch not stored", path=str(path), detail=error.strerror)
            self._warned = True
        else:
            self._warned = False
