"""The right to watch one camera for a while: who watches, what for, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewingPermit:
    """What a session may do, as its view token says.

    Attributes:
        actor: The person, as the centre knows them; empty: nobody has said.
        actor_source: How whoever issued the token knows the actor: ``proxy`` or ``settings``.
        purpose: What for.
        token_id: ``jti`` of the token; empty: there was none.
        max_s: How long the viewing may last from now, in seconds; None: without limit.
    """

    actor: str = ""
    actor_source: str = ""
    purpose: str = ""
    token_id: str = ""
    max_s: float | None = None
