"""How far a discovery may go: in time, and at how many devices at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiscoveryLimits:
    """Bounds of one discovery.

    Attributes:
        devices_at_once: That are asked.
        probes_at_once: Addresses whose ports are tried.
        connect_s: How long a port may take to open.
        device_s: How long all questions to one device may take.
        wait_s: How long answers to WS-Discovery are waited for.
        devices: Most that are asked in one run.
    """

    devices_at_once: int = 4
    probes_at_once: int = 32
    connect_s: float = 1.5
    device_s: float = 60.0
    wait_s: float = 2.0
    devices: int = 512
