"""Numbers the connections of a gateway and the messages within each.

An epoch is the number of one connection. It only grows, also over a wiped disk or a clock at 1970:
``max(stored + 1, wall clock in ms)``. It is stored before CONNECT, so that no later connection gets
a lower one. Readers tell by it which of two presences is newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.model.errors import TransientError
from gateway.runtime import atomic_file
from gateway.runtime.clock import now_ms

log = structlog.get_logger(__name__)

_HIGHEST = 2**53
"""JSON readers may round above this; a file that says more is garbage."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every payload of one sender carries.

    Attributes:
        time_ms: Wall clock, UTC; for people only, nothing is decided by it.
        epoch: Number of the sender's connection; grows with each.
        number: Counts the sender's messages within the epoch, from 1.
    """

    time_ms: int
    epoch: int
    number: int


class Epochs:
    """Numbers the connections and the messages within each.

    Attributes:
        epoch: Of the newest connection; until the first of this process that of the last one
            before, or 0.

    Args:
        path: File that holds the last number. None: nothing is stored, and the clock alone gives
            the number (a console, a test).
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._warned = False
        self._number = 0
        self.epoch = self._stored()

    def advance(self) -> int:
        """Begin a new epoch and return it. Writes and waits for the disk: call it on a thread.

        A disk that is full or read-only is logged once. The number then comes from the clock and
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
        try:
            atomic_file.replace(path, b"%d\n" % self.epoch)
        except TransientError as error:
            if not self._warned:
                log.warning("epoch_not_stored", path=str(path), detail=error.detail)
            self._warned = True
        else:
            self._warned = False
