"""What stands in where the lane is not compiled: it counts, and never takes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(slots=True, kw_only=True, eq=False)
class Viewer:
    """`gateway.express.lane.Viewer` that no lane can serve."""

    payload_type: int
    ssrc: int
    offset_90k: int
    seq: int
    burst_bytes: int
    protect: int = 0
    session: int = 0
    keep: Any = None
    last_90k: int = -1
    last_s: float = 0.0
    packets: int = 0
    octets: int = 0
    blocked: int = 0
    failed: int = 0
    refused: bool = False

    def aim(self, fd: int, host: str, port: int) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def leave(self) -> None:
        """Do nothing."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    @property
    def aimed(self) -> bool:
        """False."""
        return False


class Relayed:
    """Never made."""


class Feed:
    """Never made."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("the express lane is not compiled here")

    def __getattr__(self, name: str) -> NoReturn:
        raise NotImplementedError(name)
