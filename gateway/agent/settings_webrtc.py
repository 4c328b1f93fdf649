"""Bootstrap settings of WebRTC: how viewers are reached."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.model.config import SecretRef
from gateway.model.document import Document


class IceServerSettings(Document):
    """``[[webrtc.ice]]``: a STUN or TURN server for viewers who bring none.

    Attributes:
        urls: ``stun:``, ``turn:`` or ``turns:``.
        username: For TURN.
        credential: The secret that goes with it.
    """

    urls: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^(stun|turns?):[^\s@/]+$")], ...],
        Field(min_length=1, max_length=8),
    ]
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    credential: SecretRef | None = None


class WebRtc(Document):
    """``[webrtc]``: how viewers are reached.

    Attributes:
        ice: STUN and TURN servers; none by default, never a public one.
        relay_only: Whether only relayed candidates may be used.
    """

    ice: Annotated[tuple[IceServerSettings, ...], Field(max_length=8)] = ()
    relay_only: bool = False
