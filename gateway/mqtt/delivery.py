"""What passes between the client and the outbox: messages, and what became of each.

Source: MQTT 5.0, section 2.4 (reason codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.ports import OutboundMessage

NOT_AUTHORISED, TOPIC_INVALID, TOO_LARGE, QUOTA, PAYLOAD_INVALID = 0x87, 0x90, 0x95, 0x97, 0x99


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the broker, or our own size limit, does not accept a message.

    Attributes:
        code: MQTT 5 reason code.
        text: The same for people.
    """

    code: int
    text: str

    @property
    def is_permanent(self) -> bool:
        """Whether the same message will be refused again."""
        return self.code in (NOT_AUTHORISED, TOPIC_INVALID, TOO_LARGE, PAYLOAD_INVALID)

    def __str__(self) -> str:
        return self.text


class OutboxSource(Protocol):
    """The outbox as the client sees it: messages that outlive a connection.

    Each message has an `OutboundMessage.record`, by which the client reports its outcome.
    """

    @property
    def pending(self) -> int:
        """How many have not been acknowledged."""
        ...

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest of them; None: there is none."""
        ...

    def on_connected(self) -> None:
        """A connection has been accepted."""
        ...

    def next_message(self) -> OutboundMessage | None:
        """Return what to send now, or None. What is returned counts as in flight."""
        ...

    def on_settled(self, record: int, refusal: Refusal | None) -> None:
        """The broker has acknowledged *record*, or refuses it."""
        ...

    def on_connection_lost(self) -> None:
        """The connection is over: what was in flight is to be sent again."""
        ...
