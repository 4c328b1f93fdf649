"""What was detected last, on the disk: the inventory has it again after a restart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from gateway.discovery.found import FoundDevice
from gateway.discovery.limits import DiscoveryLimits
from gateway.model.detected import DetectedDevice
from gateway.model.document import Document
from gateway.model.errors import TransientError
from gateway.runtime import atomic_file

FILE = "detected.json"
"""In the state folder."""

LARGEST_BYTES = 8_388_608
MOST_DEVICES = DiscoveryLimits().devices

MOST_PATHS_BYTES, PATH_BYTES = 12_000, 12
"""Of a device's paths in the file, and of each beside its own: 64 channels of three streams have
9,000. All devices together stay below `LARGEST_BYTES`."""

log = structlog.get_logger(__name__)


class _Device(Document):
    """One device; see `gateway.model.detected`."""

    device: DetectedDevice


class _File(Document):
    """The file.

    Attributes:
        ended_ms: When the last discovery ended, wall clock; 0: there was none.
        devices: That it has found.
    """

    ended_ms: int = 0
    devices: Annotated[tuple[_Device, ...], Field(max_length=MOST_DEVICES)] = ()


class DetectedStore:
    """``detected.json`` in the state folder.

    Args:
        folder: The state folder.

    Attributes:
        ended_ms: When the last discovery ended, wall clock; 0: there was none.
        devices: What it has found.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.ended_ms = 0
        self.devices: tuple[DetectedDevice, ...] = ()
        try:
            with self._path.open("rb") as file:
                found = TypeAdapter(_File).validate_json(file.read(LARGEST_BYTES))
        except FileNotFoundError:
            return
        except (OSError, ValidationError) as error:
            log.warning("detected_unreadable", path=str(self._path), detail=type(error).__name__)
            return
        self.ended_ms = found.ended_ms
        self.devices = tuple(each.device for each in found.devices)

    def keep(self, devices: tuple[DetectedDevice, ...], ended_ms: int) -> None:
        """Have *devices* be what was found last; on a disk that takes nothing it is forgotten.

        Of more than `MOST_DEVICES` the first are kept. Blocks.
        """
        devices = devices[:MOST_DEVICES]
        self.devices, self.ended_ms = devices, ended_ms
        file = _File(
            ended_ms=ended_ms,
            devices=tuple(_Device.model_validate({"device": asdict(each)}) for each in devices),
        )
        try:
            atomic_file.replace(self._path, file.model_dump_json().encode() + b"\n")
        except TransientError as error:
            log.warning("detected_unsaved", path=str(self._path), detail=error.detail)


def detected(found: FoundDevice, time_ms: int) -> DetectedDevice:
    """Return *found*, as of *time_ms*, as the inventory takes it: with `MOST_PATHS_BYTES`."""
    paths = []
    left = MOST_PATHS_BYTES
    for channel in found.channels:
        for stream in channel.streams:
            parts = urlsplit(stream.url)
            path = f"{parts.path}?{parts.query}".rstrip("?")
            left -= len(path) + PATH_BYTES
            if left >= 0:
                paths.append((path, channel.number))
    return DetectedDevice(
        address=found.address,
        origin="onvif" if found.origin == "onvif" else "scan",
        time_ms=time_ms,
        mac=found.mac,
        manufacturer=found.maker,
        model=found.model,
        firmware=found.firmware,
        kind=found.kind,
        channels=len(found.channels),
        no_signal=tuple(each.number for each in found.channels if each.signal == "no_signal"),
        paths=tuple(paths),
        cause=None if found.reason is None else found.reason.code.value,
    )
