"""Refused logins of discoveries, by device and over restarts, so that nobody is locked out.

The login limiter counts one login of one process; an installer types several passwords, each in a
process of its own. Devices lock a caller out after five to seven wrong ones, whatever they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import structlog
from pydantic import Field, ValidationError

from gateway.model.document import Document
from gateway.model.errors import TransientError
from gateway.runtime import atomic_file
from gateway.runtime.clock import now_ms

FILE = "refused-logins.json"
"""In the state folder."""

WINDOW_MS = 1_800_000
"""Devices forget, or unlock, after half an hour."""

MOST = 3
"""Refusals of one device within the window."""

MOST_WITH_CAMERAS = 1
"""Of a device that cameras are pulled from: they may have been refused three times themselves."""

LARGEST_BYTES = 65_536
MOST_DEVICES = 512

log = structlog.get_logger(__name__)


class _Refusals(Document):
    """The file.

    Attributes:
        devices: Wall-clock times in ms, by address.
    """

    devices: Annotated[
        dict[str, Annotated[tuple[int, ...], Field(max_length=16)]],
        Field(max_length=2 * MOST_DEVICES),
    ] = Field(default_factory=dict)


class RefusedLogins:
    """Counts refused logins of each device.

    Args:
        path: Where they are remembered; None: in this process only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._devices: dict[str, list[int]] = {}

    def may_try(self, device: str, most: int = MOST) -> bool:
        """Return whether *device* has refused fewer than *most* logins lately."""
        self._load()
        return len(self._devices.get(device, ())) < most

    def record(self, device: str) -> None:
        """Count that *device* has refused a login just now, or has not said that it is right."""
        self._load()
        self._devices.setdefault(device, []).append(now_ms())
        if self._path is None:
            return
        newest = list(self._devices.items())[-MOST_DEVICES:]
        kept = _Refusals(devices={name: tuple(times[-16:]) for name, times in newest})
        try:
            atomic_file.replace(
                self._path,
                kept.model_dump_json().encode(),
                prepare=atomic_file.owned_like(self._path.parent),
            )
        except TransientError as error:
            log.warning("refused_logins_unsaved", detail=error.detail)

    def _load(self) -> None:
        """Take what others have counted, and forget what is old or lies in the future."""
        known = self._devices if self._path is None else _read(self._path) or self._devices
        now = now_ms()
        recent = {
            name: [each for each in times if now - WINDOW_MS < each <= now + WINDOW_MS]
            for name, times in known.items()
        }
        self._devices = {name: times for name, times in recent.items() if times}


def _read(path: Path) -> dict[str, list[int]] | None:
    """Return what is in the file; None: it cannot be read."""
    try:
        with path.open("rb") as file:
            found = _Refusals.model_validate_json(file.read(LARGEST_BYTES))
    except (OSError, ValidationError):
        return None
    return {name: list(times) for name, times in found.devices.items()}
