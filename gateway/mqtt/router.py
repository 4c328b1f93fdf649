"""What comes in from the centre, to the component that it is for.

Nothing is read here but the topic. A message for another gateway, or on a topic that is not in the
tree, cannot come past the broker's access list; if one does it is counted and left alone.

What the gateway is answerable for, as events: messages for others, and how the link fares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.model.event import Event
from gateway.mqtt.topic_tree import TopicSpec
from gateway.mqtt.topics import ParsedTopic, Topics, parse_topic
from gateway.ports import Clock, Events, InboundMessage
from gateway.runtime.log_limit import RateLimitedLog

MISROUTED_EVERY_S = 60.0
"""A flood of messages for somebody else is told this often, with how many there were."""


def audit_misrouted(events: Events, clock: Clock) -> Callable[[str], None]:
    """Return what tells *events* of a message for somebody else, given its topic."""
    told_s, untold = float("-inf"), 0

    def tell(topic: str) -> None:
        nonlocal told_s, untold
        untold += 1
        if clock.now() - told_s >= MISROUTED_EVERY_S:
            facts = {"topic": topic[:200], "count": untold}
            events.record(Event("message.misrouted", facts, "audit"))
            told_s, untold = clock.now(), 0

    return tell


MessageHandler = Callable[[ParsedTopic, InboundMessage], None]
"""Takes a message and returns at once."""


class MessageRouter:
    """Hands each message to its receiver.

    Args:
        own: The gateway's topics.
        receivers: Who takes what.
        strange: Told of each message for somebody else (for the audit).
        acknowledge: Lets the broker forget such a message, which would else hold up others.
        clock: Monotonic.
    """

    def __init__(
        self,
        topics: Topics,
        handlers: Mapping[TopicSpec, MessageHandler],
        *,
        on_misrouted: Callable[[str], None] = lambda _: None,
        acknowledge: Callable[[InboundMessage], None] = lambda _: None,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._handlers = handlers
        self._on_misrouted = on_misrouted
        self._acknowledge = acknowledge
        self._unknown = RateLimitedLog("message_router", "messages for nobody", clock=clock)

    def route(self, message: InboundMessage) -> None:
        """Take a message from the link; returns at once."""
        parsed = parse_topic(message.topic)
        handler = None if parsed is None else self._handlers.get(parsed.spec)
        if parsed is None or handler is None or not self._is_ours(parsed):
            self._unknown.count(message.topic)
            self._on_misrouted(message.topic)
            self._acknowledge(message)
        else:
            handler(parsed, message)

    def _is_ours(self, parsed: ParsedTopic) -> bool:
        if not parsed.gateway:  # the centre speaks to all
            return True
        return (parsed.province, parsed.gateway) == (self._topics.province, self._topics.gateway)
