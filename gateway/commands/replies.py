"""Where replies to commands are published, and what happens to them without a connection.

The response topic (MQTT 5 section 3.3.2.3.5) is untrusted input. Only topics below our own
``up/rsp/`` are used, or whoever may send commands could publish anywhere with our rights.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.errors import Fault
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads import command as command_payload
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES
from gateway.mqtt.payloads.command import FINAL, Rejected, Reply, State, reply_faults
from gateway.mqtt.topic_tree import REPLY
from gateway.mqtt.topics import Topics, build_message, parse_topic
from gateway.ports import Bus, Clock, OutboundMessage

UNSENT = 64
"""Final replies that wait for a connection; the oldest is dropped first."""

HEADROOM_BYTES = 256
"""Of a message, for the stamp and the properties of a reply."""

OPAQUE = "jpeg"
"""The one key whose value is no text that could hold a secret."""


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where a reply goes.

    Attributes:
        topic: Below our own ``up/rsp/``.
        requester: Who subscribes there.
        correlation: Correlation data of the request, sent back unchanged.
    """

    topic: str
    requester: str
    correlation: bytes | None

    @classmethod
    def parse(
        cls, own: Topics, topic: str | None, correlation: bytes | None
    ) -> ReplyAddress | None:
        """Return the address that response topic *topic* is; None if we must not publish there."""
        place = None if topic is None else parse_topic(topic)
        if topic is None or place is None or place.spec is not REPLY:
            return None
        if (place.province, place.gateway) != (own.province, own.gateway):
            return None
        return cls(topic, place.levels["requester"], correlation)


class ReplySender:
    """Builds replies and publishes them.

    Args:
        bus: Publishes.
        stamp: Returns the stamp of the next message.
        redact: Hides secrets in a text; every text of a result goes through it.
        clock: Monotonic.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stamp: Callable[[], Stamp],
        redact: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._stamp = stamp
        self._redact_text = redact
        self._clock = clock
        self._unsent: deque[tuple[float, ReplyAddress, Reply]] = deque(maxlen=UNSENT)

    def build(
        self,
        command_id: str | None,
        state: State,
        *,
        percent: int | None = None,
        result: object = None,
        code: str | None = None,
    ) -> Reply:
        """Return a reply without secrets; a result too large for a message makes it ``failed``."""
        reply = Reply.model_construct(
            id=command_id,
            state=state,
            percent=percent,
            result=self.redact(result) or None,
            code=code,
        )
        _, payload = command_payload.encode_reply(Stamp(0, 0, 0), reply)
        if len(payload) <= PAYLOAD_BYTES - HEADROOM_BYTES:
            return reply
        return Reply(id=command_id, state="failed", code="too_large")

    def build_rejection(
        self, command_id: str | None, code: Rejected, faults: tuple[Fault, ...] = ()
    ) -> Reply:
        """Return the reply to a command that is not executed."""
        errors = reply_faults(faults) or None
        return Reply(id=command_id, state="rejected", code=code, errors=errors)

    def send(self, address: ReplyAddress, reply: Reply) -> None:
        """Publish *reply*. Without a connection a final one waits for it, others are dropped."""
        if self._bus.connected:
            self._bus.publish(self._message(address, reply))
        elif reply.state in FINAL:
            self._unsent.append((self._clock.now(), address, reply))

    def pop_unsent(self) -> Iterator[OutboundMessage]:
        """Yield and forget the final replies that waited for a connection and are not expired."""
        while self._unsent:
            since_s, address, reply = self._unsent.popleft()
            if REPLY.expiry_s is None or self._clock.now() - since_s < REPLY.expiry_s:
                yield self._message(address, reply)

    def redact(self, value: Any, key: str = "") -> Any:
        """Return *value*, a JSON value, without secrets in its texts.

        Args:
            value: Of a reply or of the audit.
            key: Under which it stands; the text under `OPAQUE` stays as it is.
        """
        if isinstance(value, str) and key != OPAQUE:
            return self._redact_text(value)
        if isinstance(value, dict):
            return {name: self.redact(each, name) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact(each) for each in value]
        return value

    def _message(self, address: ReplyAddress, reply: Reply) -> OutboundMessage:
        message = build_message(
            REPLY, address.topic, command_payload.encode_reply(self._stamp(), reply)
        )
        return replace(message, correlation_data=address.correlation)
