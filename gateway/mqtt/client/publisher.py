"""Publishes: what may be sent now goes over the connection, the rest waits or is dropped."""

from __future__ import annotations

from collections.abc import Callable

from gateway.mqtt.client.connection import MqttConnection
from gateway.mqtt.client.inflight_window import InflightWindow
from gateway.mqtt.client.stats import ConnectionStats
from gateway.mqtt.delivery import TOO_LARGE, OutboxSource, Refusal
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES
from gateway.ports import OutboundMessage


class Publisher:
    """Sends messages, and follows each until the broker has acknowledged it.

    Attributes:
        connection: Where messages go; None: there is none, or nothing more may be sent over it.

    Args:
        outbox: Where messages come from that outlive a connection; None: there are none.
        stats: Counts what is dropped or refused.
        on_acknowledged: Called with each message that the broker has acknowledged.
    """

    def __init__(
        self,
        outbox: OutboxSource | None,
        stats: ConnectionStats,
        *,
        on_acknowledged: Callable[[OutboundMessage], None],
    ) -> None:
        self._outbox = outbox
        self._window = InflightWindow(outbox)
        self._stats = stats
        self._on_acknowledged = on_acknowledged
        self.connection: MqttConnection | None = None

    @property
    def waiting(self) -> int:
        """Messages not yet acknowledged or not yet sent."""
        return self._window.waiting + (0 if self._outbox is None else self._outbox.pending)

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest event that the broker does not have; None: it has them all."""
        return None if self._outbox is None else self._outbox.oldest_s

    def start(self, connection: MqttConnection) -> None:
        """Publish over *connection* from now on."""
        self.connection = connection
        self._window.on_connected()

    def enqueue(self, message: OutboundMessage) -> None:
        """Put *message* in the queue; nothing is sent yet."""
        if not self._window.enqueue(message):
            self._stats.count_dropped(message.topic)

    def publish(self, message: OutboundMessage) -> None:
        """Publish *message*: see `gateway.ports.Bus`."""
        if message.path == "direct" and self.connection is None:
            self._stats.count_dropped(message.topic)
        elif message.path == "outbox":
            self._stats.count_refused(message.topic, "not from the outbox")
        elif len(message.payload) > PAYLOAD_BYTES:
            self._stats.count_refused(message.topic, f"{len(message.payload)} bytes")
        else:
            self.enqueue(message)
            self.send_pending()

    def send_pending(self) -> None:
        """Send what may be sent now. Called after each change of queue, outbox or window."""
        connection = self.connection
        if connection is None:
            return
        while (message := self._window.next_message(connection.receive_maximum)) is not None:
            if connection.fits(message):
                self._window.mark_sent(connection.publish(message), message)
            else:
                self._window.notify_outbox(
                    message, Refusal(TOO_LARGE, "larger than the broker takes")
                )
                self._stats.count_refused(message.topic, "larger than the broker takes")

    def process_acknowledgements(self, connection: MqttConnection) -> None:
        """Process the acknowledgements that *connection* has received."""
        while connection.acknowledgements:
            number, refusal = connection.acknowledgements.popleft()
            message = self._window.settle(number, refusal)
            if message is not None and refusal is not None:
                self._stats.count_refused(message.topic, str(refusal))
            elif message is not None:
                self._on_acknowledged(message)
        if connection.overflowed:
            self._stats.count_overflow(connection.overflowed)
            connection.overflowed = 0

    def end(self, connection: MqttConnection) -> None:
        """*connection* is over: what was in flight is lost, or waits for the next one."""
        self.connection = None
        self.process_acknowledgements(connection)
        if lost := self._window.on_connection_lost():
            self._stats.count_dropped("connection lost", lost)
