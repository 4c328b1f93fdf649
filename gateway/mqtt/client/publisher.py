"""What goes out: over the connection that there is, or not at all for the time being."""

from __future__ import annotations

from collections.abc import Callable

from gateway.mqtt.client.connection import MqttConnection
from gateway.mqtt.client.inflight_window import TOO_LARGE, InflightWindow, OutboxSource, Refusal
from gateway.mqtt.client.stats import ConnectionStats
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES
from gateway.ports import OutboundMessage


class Publisher:
    """Sends what may be sent, and learns what has become of it.

    Attributes:
        session: The connection; None: there is none, or nothing more may be sent over it.

    Args:
        outbox: Gives what outlives a connection; None: there is nothing.
        stats: Is told what was dropped or refused.
        taken: Told of each publication that the broker has acknowledged.
    """

    def __init__(
        self,
        outbox: OutboxSource | None,
        stats: ConnectionStats,
        *,
        taken: Callable[[OutboundMessage], None],
    ) -> None:
        self._outbox = outbox
        self._window = InflightWindow(outbox)
        self._trail = stats
        self._taken = taken
        self.session: MqttConnection | None = None

    @property
    def waiting(self) -> int:
        """Publications not yet acknowledged or not yet sent."""
        return self._window.waiting + (0 if self._outbox is None else self._outbox.pending)

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest event that the broker does not have; None: it has them all."""
        return None if self._outbox is None else self._outbox.oldest_s

    def begin(self, session: MqttConnection) -> None:
        """From now on everything goes over *session*."""
        self.session = session
        self._window.began()

    def offer(self, publication: OutboundMessage) -> None:
        """Have *publication* sent when there is room; nothing of that happens yet."""
        if not self._window.offer(publication):
            self._trail.drop(publication.topic)

    def post(self, publication: OutboundMessage) -> None:
        """Hand over *publication*: see `gateway.ports.Bus`."""
        if publication.path == "direct" and self.session is None:
            self._trail.drop(publication.topic)
        elif publication.path == "outbox":
            self._trail.refuse(publication.topic, "not from the outbox")
        elif len(publication.payload) > PAYLOAD_BYTES:
            self._trail.refuse(publication.topic, f"{len(publication.payload)} bytes")
        else:
            self.offer(publication)
            self.pump()

    def pump(self) -> None:
        """Send what may be sent now. Called whenever something was posted, stored or settled."""
        session = self.session
        if session is None:
            return
        while (publication := self._window.next(session.receive_maximum)) is not None:
            if session.fits(publication):
                self._window.sent(session.publish(publication), publication)
            else:
                self._window.tell(publication, Refusal(TOO_LARGE, "larger than the broker takes"))
                self._trail.refuse(publication.topic, "larger than the broker takes")

    def settle(self, session: MqttConnection) -> None:
        """Take note of what *session* has been told."""
        while session.settled:
            number, refusal = session.settled.popleft()
            publication = self._window.settled(number, refusal)
            if publication is not None and refusal is not None:
                self._trail.refuse(publication.topic, str(refusal))
            elif publication is not None:
                self._taken(publication)
        if session.overflowed:
            self._trail.overflow(session.overflowed)
            session.overflowed = 0

    def end(self, session: MqttConnection) -> None:
        """*session* is over: what was on its way is lost, or waits for the next one."""
        self.session = None
        self.settle(session)
        if lost := self._window.broken():
            self._trail.drop("connection lost", lost)
