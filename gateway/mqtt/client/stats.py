"""Counts, logs and records as events what becomes of connections and messages.

A message that is refused for good is an event once an hour for each topic. A site without a line
records one loss and one return, however often it has tried in between.
"""

from __future__ import annotations

import structlog

from gateway.model.errors import BrokerUnavailable
from gateway.model.event import Event
from gateway.ports import Clock, Events
from gateway.runtime.log_limit import RateLimitedLog

REPEAT_S = 3600.0
"""Between two events about one topic."""

MAX_TOPICS = 256
"""Refused topics that are remembered; beyond that they are only counted."""

log = structlog.get_logger(__name__)


class ConnectionStats:
    """Counts connections, and messages that were dropped or refused.

    Attributes:
        connects: Connections accepted since the process started.

    Args:
        events: Where events are recorded; None: nowhere.
        clock: Monotonic.
    """

    def __init__(self, events: Events | None, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._since_s = clock.now()
        self._tries = 0
        self._why = ""
        self._recorded_s: dict[str, float] = {}
        self._dropped = RateLimitedLog("broker", "message_dropped", clock=clock)
        self._refused = RateLimitedLog("broker", "message_refused", clock=clock)
        self._overflowed = RateLimitedLog("broker", "message_overflowed", clock=clock)
        self.connects = 0

    @property
    def dropped(self) -> int:
        """Messages dropped because there was no connection or no room."""
        return self._dropped.total

    @property
    def refused(self) -> int:
        """Messages that the broker or our own size limit refused."""
        return self._refused.total

    def on_connected(self, broker: str) -> None:
        """A connection has been accepted."""
        self.connects += 1
        now_s = self._clock.now()
        log.info("broker_connected", broker=broker, connects=self.connects)
        facts: dict[str, object] = {"st": "up", "broker": broker, "connects": self.connects}
        if self._why:
            facts |= {"off_s": round(now_s - self._since_s, 1), "why": self._why}
            facts |= {"tries": self._tries}
        self._record(Event("link", facts, "info"))
        self._since_s, self._tries, self._why = now_s, 0, ""

    def on_connection_lost(self, error: BrokerUnavailable) -> None:
        """The accepted connection is over."""
        now_s = self._clock.now()
        facts = {"st": "lost", "why": str(error.reason), "on_s": round(now_s - self._since_s, 1)}
        self._record(Event("link", facts, "info"))
        self._since_s, self._why = now_s, str(error.reason)

    def on_connect_failed(self, error: BrokerUnavailable) -> None:
        """A connection was not accepted."""
        self._tries += 1
        self._why = str(error.reason)

    def count_dropped(self, topic: str, count: int = 1) -> None:
        """*count* messages are dropped; the next birth replaces them."""
        self._dropped.count(topic, count)

    def count_refused(self, topic: str, why: str) -> None:
        """A message is refused for good."""
        self._refused.count(f"{topic}: {why}")
        now_s = self._clock.now()
        if now_s - self._recorded_s.get(topic, float("-inf")) < REPEAT_S:
            return
        if topic in self._recorded_s or len(self._recorded_s) < MAX_TOPICS:
            self._recorded_s[topic] = now_s
            self._record(Event("publication.refused", {"topic": topic, "why": why}))

    def count_overflow(self, count: int) -> None:
        """*count* received messages are dropped because too many wait for delivery."""
        self._overflowed.count("", count)

    def on_echo_missing(self) -> None:
        """The broker has not delivered our echo, and the connection is held all the same."""
        log.warning("echo_missing", hint="does the broker let us read our own up/echo?")
        self._record(Event("link", {"st": "echo_missing"}))

    def _record(self, event: Event) -> None:
        if self._events is not None:
            self._events.record(event)
