"""The alarms on the disk, so that a restart neither forgets nor repeats them.

The broker retains an alarm until it is cleared, also while the gateway is off. A file that cannot
be read counts as empty: what still fails is raised anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from gateway.model.alarm import Alarm
from gateway.model.errors import TransientError
from gateway.runtime import atomic_file

log = structlog.get_logger(__name__)

MAX_BYTES = 1_048_576
"""Largest file that is read; a thousand alarms have a third of it."""


@dataclass(frozen=True, slots=True)
class StoredAlarms:
    """The content of the file.

    Attributes:
        standing: Alarms that are raised.
        cleared: Alarms cleared lately, of which the broker may not know.
    """

    standing: tuple[Alarm, ...] = ()
    cleared: tuple[Alarm, ...] = ()


_READER = TypeAdapter(StoredAlarms)


class AlarmStore:
    """``alarms.json`` in the state folder.

    Args:
        folder: The state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "alarms.json"

    def load(self) -> StoredAlarms:
        """Return the stored alarms; empty if there is no file or it cannot be read."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                return StoredAlarms()
            return _READER.validate_json(self._path.read_bytes(), strict=True)
        except FileNotFoundError:
            return StoredAlarms()
        except (OSError, ValidationError) as error:
            log.warning("alarms_load_failed", path=str(self._path), detail=type(error).__name__)
            return StoredAlarms()

    def save(self, stored: StoredAlarms) -> None:
        """Replace the file by *stored*; on return it survives a power cut. Blocks on the disk.

        A disk that is full or read-only is logged, and the old file stays.
        """
        try:
            atomic_file.replace(self._path, _READER.dump_json(stored))
        except TransientError as error:
            log.warning("alarms_store_failed", path=str(self._path), detail=error.detail)
