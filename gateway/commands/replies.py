"""Where the answers to commands go, and what becomes of them while nobody hears.

The response topic is input, not instruction: only what lies below our own ``up/rsp/`` is used, or
whoever may send commands could publish anywhere with our rights.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.errors import Fault
from gateway.mqtt.payloads import command as command_payload
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, Stamp
from gateway.mqtt.payloads.command import FINAL, Rejected, Reply, State, reply_faults
from gateway.mqtt.topic_tree import REPLY
from gateway.mqtt.topics import Topics, parse, publication
from gateway.ports import Bus, Clock, InboundMessage, OutboundMessage

KEPT = 64
"""Final answers that wait for a connection; the oldest goes first."""

OPAQUE = "jpeg"
"""The one key whose value is no text that could hold a secret."""


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where an answer goes.

    Attributes:
        topic: Below our own ``up/rsp/``.
        requester: Who listens there.
        correlation: Given back as it came.
    """

    topic: str
    requester: str
    correlation: bytes | None

    @classmethod
    def of(cls, own: Topics, topic: str | None, correlation: bytes | None) -> ReplyAddress | None:
        """Return the address that *topic* is; None if we must not publish there."""
        place = None if topic is None else parse(topic)
        if topic is None or place is None or place.channel is not REPLY:
            return None
        if (place.province, place.gateway) != (own.province, own.gateway):
            return None
        return cls(topic, place.levels["requester"], correlation)

    @classmethod
    def wanted(cls, own: Topics, message: InboundMessage) -> ReplyAddress | None:
        """Return where *message* wants its answer; None if we must not publish there."""
        return cls.of(own, message.response_topic, message.correlation_data)


class ReplySender:
    """Says what there is to say to askers.

    Args:
        bus: Takes it.
        stamp: Makes the stamp of the next message.
        redact: Takes secrets out of text; every text of a result passes it.
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
        self._redact = redact
        self._clock = clock
        self._untold: deque[tuple[float, ReplyAddress, Reply]] = deque(maxlen=KEPT)

    def reply(
        self,
        command_id: str | None,
        state: State,
        *,
        percent: int | None = None,
        result: object = None,
        code: str | None = None,
    ) -> Reply:
        """Return a reply without secrets; a result that does not fit a message is left out."""
        made = Reply.model_construct(
            id=command_id,
            state=state,
            percent=percent,
            result=self.without_secrets(result) or None,
            code=code,
        )
        _, payload = command_payload.reply(Stamp(0, 0, 0), made)
        if len(payload) <= PAYLOAD_BYTES - 256:
            return made
        return Reply(id=command_id, state="failed", code="too_large")

    def rejected(
        self, command_id: str | None, code: Rejected, faults: tuple[Fault, ...] = ()
    ) -> Reply:
        """Return the reply to what is not done."""
        errors = reply_faults(faults) or None
        return Reply(id=command_id, state="rejected", code=code, errors=errors)

    def say(self, address: ReplyAddress, reply: Reply) -> None:
        """Say *reply*; a final one waits for a connection if there is none."""
        if self._bus.connected:
            self._bus.post(self._publication(address, reply))
        elif reply.state in FINAL:
            self._untold.append((self._clock.now(), address, reply))

    def greeting(self) -> Iterator[OutboundMessage]:
        """What is said on a connection: the final answers that nobody could hear."""
        while self._untold:
            since_s, address, reply = self._untold.popleft()
            if REPLY.expiry_s is None or self._clock.now() - since_s < REPLY.expiry_s:
                yield self._publication(address, reply)

    def _publication(self, address: ReplyAddress, reply: Reply) -> OutboundMessage:
        sealed = command_payload.reply(self._stamp(), reply)
        made = publication(REPLY, address.topic, sealed)
        return replace(made, correlation_data=address.correlation)

    def without_secrets(self, value: Any, key: str = "") -> Any:
        """Return *value*, of which JSON knows all, with no secret in any of its texts."""
        if isinstance(value, str) and key != OPAQUE:
            return self._redact(value)
        if isinstance(value, dict):
            return {name: self.without_secrets(each, name) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.without_secrets(each) for each in value]
        return value
