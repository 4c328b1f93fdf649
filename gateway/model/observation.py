"""What the gateway sees of its streams while it does its work: the free part of the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.inventory import StreamStock
from gateway.model.media import Codec
from gateway.model.names import Profile


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """One stream as the fleet sees it at one moment.

    Attributes:
        camera: Camera id.
        profile: Which of its streams.
        pulling: Whether it is being read now.
        codec: None until known.
        width: In pixels; None until known.
        height: In pixels; None until known.
        units: Access units read since the stream was made.
        received_bytes: Likewise.
    """

    camera: str
    profile: Profile
    pulling: bool = False
    codec: Codec | None = None
    width: int | None = None
    height: int | None = None
    units: int = 0
    received_bytes: int = 0


Observations = Mapping[tuple[str, str], StreamStock]
"""By camera and profile: what has been so for long enough to count."""
