"""The queue of messages to send, and the window of those in flight: sent, not acknowledged. No I/O.

At most ten messages are in flight; paho would send its whole backlog at a reconnect. A conflated
topic has at most one message in flight and one waiting, the newest. The outbox comes last and never
fills the window: a backlog does not delay a viewer.
"""

from __future__ import annotations

from collections import deque

from gateway.mqtt.delivery import OutboxSource, Refusal
from gateway.ports import OutboundMessage

IN_FLIGHT = 10
"""Messages in flight at once, whatever the broker allows."""

RESERVED = 2
"""How many of these the outbox must leave free."""

DIRECT_WAITING = 256
"""Direct messages that may wait; more are dropped."""

CONFLATED_WAITING = 2048
"""Conflated topics that may wait; a site has 512 cameras at most."""


class InflightWindow:
    """Decides what is sent next: direct, conflated, outbox. The order within a topic stays.

    Args:
        outbox: The outbox; None: there is none.
    """

    def __init__(self, outbox: OutboxSource | None = None) -> None:
        self._outbox = outbox
        self._direct: deque[OutboundMessage] = deque()
        self._conflated: dict[str, OutboundMessage] = {}
        self._sent: dict[int, OutboundMessage] = {}

    @property
    def waiting(self) -> int:
        """How many are not acknowledged or not sent, without those of the outbox."""
        return len(self._direct) + len(self._conflated) + len(self._sent) - self._outbox_in_flight()

    def enqueue(self, message: OutboundMessage) -> bool:
        """Put *message* in the queue; return False if it is full and the message is dropped."""
        if message.path == "direct":
            if len(self._direct) >= DIRECT_WAITING:
                return False
            self._direct.append(message)
            return True
        if message.topic not in self._conflated and len(self._conflated) >= CONFLATED_WAITING:
            return False
        self._conflated[message.topic] = message
        return True

    def next_message(self, limit: int) -> OutboundMessage | None:
        """Return what to send now, or None: nothing waits, or *limit* are in flight."""
        if len(self._sent) >= min(limit, IN_FLIGHT):
            return None
        if self._direct:
            return self._direct.popleft()
        busy = {each.topic for each in self._sent.values() if each.path == "conflated"}
        for topic in self._conflated:
            if topic not in busy:
                return self._conflated.pop(topic)
        if self._outbox is not None and self._outbox_in_flight() < max(
            1, min(limit, IN_FLIGHT) - RESERVED
        ):
            return self._outbox.next_message()
        return None

    def mark_sent(self, number: int, message: OutboundMessage) -> None:
        """Put *message* in flight as packet *number*."""
        self._sent[number] = message

    def settle(self, number: int, refusal: Refusal | None = None) -> OutboundMessage | None:
        """Take packet *number*, acknowledged or refused, out of flight and return its message."""
        message = self._sent.pop(number, None)
        if message is not None:
            self.notify_outbox(message, refusal)
        return message

    def notify_outbox(self, message: OutboundMessage, refusal: Refusal | None) -> None:
        """Report the outcome to the outbox, if *message* is one of its records."""
        if self._outbox is not None and message.record is not None:
            self._outbox.on_settled(message.record, refusal)

    def on_connected(self) -> None:
        """A connection has been accepted."""
        if self._outbox is not None:
            self._outbox.on_connected()

    def on_connection_lost(self) -> int:
        """The connection is over; return how many direct messages are dropped with it.

        Conflated messages in flight wait again, unless a newer one of their topic does.
        """
        for message in self._sent.values():
            if message.path == "conflated":
                self._conflated.setdefault(message.topic, message)
        dropped = len(self._direct)
        dropped += sum(each.path == "direct" for each in self._sent.values())
        self._direct.clear()
        self._sent.clear()
        if self._outbox is not None:
            self._outbox.on_connection_lost()
        return dropped

    def _outbox_in_flight(self) -> int:
        return sum(each.path == "outbox" for each in self._sent.values())
