"""What stands in where the fast path is not compiled: destinations count, nothing is relayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(slots=True, kw_only=True, eq=False)
class RtpDestination:
    """`gateway.fastpath._fastpath.RtpDestination` that only the Python sender can send to."""

    payload_type: int
    ssrc: int
    offset_90k: int
    seq: int
    protect: int = 0
    session: int = 0
    keep_alive: Any = None
    last_90k: int = -1
    last_s: float = 0.0
    packets: int = 0
    octets: int = 0
    blocked: int = 0
    failed: int = 0
    offload_refused: bool = False
    free_s: float = 0.0
    burst_bytes: int = 0
    waiting: int = 0

    def set_pace(self, *, burst_bytes: int, **_: float) -> None:
        """Note *burst_bytes*: the Python sender keeps the pace by itself."""
        self.burst_bytes = burst_bytes

    def take_waiting(self) -> tuple[list[Any], int]:
        """Return nothing."""
        return [], 0

    def set_address(self, fd: int, host: str, port: int) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def clear_address(self) -> None:
        """Do nothing."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    @property
    def sendable(self) -> bool:
        """False."""
        return False


class FrameRun:
    """Never made."""


class Forwarder:
    """Never made."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("the fast path is not compiled here")

    def __getattr__(self, name: str) -> NoReturn:
        raise NotImplementedError(name)
