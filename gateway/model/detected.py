"""What the last discovery has detected, for the inventory: beside what people have declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.model.provenance import Origin

DetectedKind = Literal["recorder", "camera", "encoder", "unknown"]


@dataclass(frozen=True, slots=True)
class DetectedDevice:
    """One device at one address.

    Attributes:
        address: IP address.
        origin: ``onvif`` where it told so itself by ONVIF, else ``scan``.
        time_ms: When it was asked, wall clock.
        mac: None: not known. So are the others.
        manufacturer: As it is usually written.
        model: As the device says.
        firmware: Likewise.
        kind: What it is.
        channels: How many inputs it has; 0: it did not tell.
        no_signal: Numbers of inputs without a picture.
        paths: Path and query of each stream, and the number of its channel.
        cause: Code of why it told no more; None: it told all.
    """

    address: str
    origin: Origin
    time_ms: int
    mac: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    firmware: str | None = None
    kind: DetectedKind = "unknown"
    channels: int = 0
    no_signal: tuple[int, ...] = ()
    paths: tuple[tuple[str, int], ...] = ()
    cause: str | None = None
