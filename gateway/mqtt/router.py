"""Routes each message from the centre to its handler, by its topic.

The broker's access list lets no message through that is for another gateway or on a topic that is
not in the tree. One that comes all the same is misrouted: it is acknowledged, counted and audited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.model.event import Event
from gateway.mqtt.topic_tree import TopicSpec
from gateway.mqtt.topics import ParsedTopic, Topics, parse_topic
from gateway.ports import Clock, InboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.plain_text import cut, printable
from gateway.runtime.repeated_events import RepeatedEvents

MAX_TOPIC_CHARS = 200
"""No topic of the tree is longer; of one that is, no more is looked at or shown."""


def audit_misrouted(refusals: RepeatedEvents) -> Callable[[str], None]:
    """Return a function that records a misrouted message, given its topic, in *refusals*."""

    def tell(topic: str) -> None:
        facts = {"topic": printable(topic[:MAX_TOPIC_CHARS])}
        refusals.record(Event("message.misrouted", facts, "audit"))

    return tell


MessageHandler = Callable[[ParsedTopic, InboundMessage], None]
"""Handles a message; returns at once."""


class MessageRouter:
    """Calls the handler of each message.

    Args:
        topics: Of this gateway.
        handlers: By row of the topic tree.
        on_misrouted: Called with the topic of each misrouted message.
        acknowledge: Called with each misrouted message, which would otherwise fill the broker's
            window.
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
        self._unknown = RateLimitedLog("message_router", "message_misrouted", clock=clock)

    def route(self, message: InboundMessage) -> None:
        """Route *message*; returns at once."""
        parsed = parse_topic(message.topic) if len(message.topic) <= MAX_TOPIC_CHARS else None
        handler = None if parsed is None else self._handlers.get(parsed.spec)
        if parsed is None or handler is None or not self._is_ours(parsed):
            self._unknown.count(cut(message.topic, MAX_TOPIC_CHARS))
            self._on_misrouted(message.topic)
            self._acknowledge(message)
        else:
            try:
                handler(parsed, message)
            except Exception as error:  # ends this message only
                report_bug("message", error, message.topic)
                self._acknowledge(message)  # it would do the same again

    def _is_ours(self, parsed: ParsedTopic) -> bool:
        if not parsed.gateway:  # the centre speaks to all
            return True
        return (parsed.province, parsed.gateway) == (self._topics.province, self._topics.gateway)
