"""Letters for another gateway that have come to us all the same: left alone, and told."""

from __future__ import annotations

from gateway.agent.commands.limits import Bucket
from gateway.model.event import Event
from gateway.mqtt.topics import Topics, parse
from gateway.ports import Clock, Events

PER_MIN, BURST = 10, 10


class Strangers:
    """Tells of letters for somebody else: the broker's access list should have kept them away.

    Args:
        own: Our topics.
        events: Is told, a few times a minute at most.
        clock: Monotonic.
    """

    def __init__(self, own: Topics, events: Events, clock: Clock) -> None:
        self._own = own
        self._events = events
        self._bucket = Bucket(PER_MIN, BURST, clock=clock)

    def tell(self, topic: str) -> None:
        """Tell of a letter on *topic*, if it was for another."""
        place = parse(topic)
        if place is None or not place.gateway:
            return
        theirs = (place.province, place.gateway)
        if theirs != (self._own.province, self._own.gateway) and self._bucket.take():
            facts = {"topic": topic[:200], "for": "/".join(theirs)}
            self._events.record(Event("command.stranger", facts, "audit"))
