"""One viewer's visit: an offer from its arrival on, and how it is told."""

from __future__ import annotations

import asyncio

from gateway.model.event import Event, Weight
from gateway.model.signalling import Offer
from gateway.relay.session import Session


class Visit:
    """One offer from its arrival on."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.session: Session | None = None
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.candidates = 0
        self.left = False


def told(offer: Offer, act: str, weight: Weight, **more: object) -> Event:
    """Return what has become of *offer*, for those who ask later who has watched what."""
    who = {"viewer": offer.key.viewer, "sid": offer.key.session, "cam": offer.camera}
    return Event("session", {"act": act, **who, **more}, weight)
