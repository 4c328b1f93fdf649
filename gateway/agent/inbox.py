"""What comes in from the centre, to the component that it is for.

Nothing is read here but the topic. A letter for another gateway, or on a topic that is not in the
tree, cannot come past the broker's access list; if one does it is counted and left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.aio.tally import Tally
from gateway.mqtt.topics import Place, Topics, parse
from gateway.mqtt.tree import Channel
from gateway.ports import Clock, Letter

Receiver = Callable[[Place, Letter], None]
"""Takes a letter and returns at once."""


class Inbox:
    """Hands each letter to its receiver.

    Args:
        own: The gateway's topics.
        receivers: Who takes what.
        strange: Told of each letter for somebody else (for the audit).
        acknowledge: Lets the broker forget such a letter, which would else hold up others.
        clock: Monotonic.
    """

    def __init__(
        self,
        own: Topics,
        receivers: Mapping[Channel, Receiver],
        *,
        strange: Callable[[str], None] = lambda _: None,
        acknowledge: Callable[[Letter], None] = lambda _: None,
        clock: Clock,
    ) -> None:
        self._own = own
        self._receivers = receivers
        self._strange = strange
        self._acknowledge = acknowledge
        self._unknown = Tally("inbox", "letters for nobody", clock=clock)

    def deliver(self, letter: Letter) -> None:
        """Take a letter from the link; returns at once."""
        place = parse(letter.topic)
        receiver = None if place is None else self._receivers.get(place.channel)
        if place is None or receiver is None or not self._is_ours(place):
            self._unknown.add(letter.topic)
            self._strange(letter.topic)
            self._acknowledge(letter)
        else:
            receiver(place, letter)

    def _is_ours(self, place: Place) -> bool:
        if not place.gateway:  # the centre speaks to all
            return True
        return (place.province, place.gateway) == (self._own.province, self._own.gateway)
