"""Who gives way when too many viewers are waited for.

Places are held by connected viewers only. Whoever has made an offer and is not connected yet is
waited for; these are bounded for each viewer and for all, and of those who ask for most the oldest
makes room for the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.signalling import SessionKey
from gateway.runtime import fair_share
from gateway.runtime.fair_share import Bounds

WAITING = 32
"""Sessions that are not connected yet: two pages of 16 pictures. Each holds sockets, keys and the
camera for as long as it may take to connect."""

WAITING_PER_VIEWER = 16
"""Those of one viewer: one page."""


def who_gives_way(waiting: Sequence[SessionKey], viewer: str) -> SessionKey | None:
    """Return which of *waiting*, the oldest first, ends so that *viewer* may make one more offer.

    None if there is room. Nobody loses a session to a viewer who has as many as they or more.
    """
    bounds = Bounds(WAITING, WAITING_PER_VIEWER)
    place = fair_share.who_gives_way([key.viewer for key in waiting], viewer, bounds)
    return None if place is None else waiting[place]
