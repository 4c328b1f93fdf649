"""The alarms on this machine's disk, so that a restart neither forgets nor repeats them.

The broker keeps every alarm until somebody clears it, and whoever raised it may have been switched
off in between. A file that cannot be read is as good as none: what still fails is raised anew.
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
"""A thousand alarms have a third of it."""


@dataclass(frozen=True, slots=True)
class StoredAlarms:
    """What is kept.

    Attributes:
        standing: Alarms that stand.
        cleared: Those cleared lately, which the broker may not have heard.
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
        """Return the alarms as they were; none if nobody knows."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                return StoredAlarms()
            return _READER.validate_json(self._path.read_bytes(), strict=True)
        except FileNotFoundError:
            return StoredAlarms()
        except (OSError, ValidationError) as error:
            log.warning("alarms not read", path=str(self._path), detail=type(error).__name__)
            return StoredAlarms()

    def save(self, stored: StoredAlarms) -> None:
        """Keep *kept*; on return it survives a power cut. Waits for the disk.

        A disk that is full or read-only is said; what was there is untouched.
        """
        try:
            atomic_file.replace(self._path, _READER.dump_json(stored))
        except TransientError as error:
            log.warning("alarms not stored", path=str(self._path), detail=error.detail)
