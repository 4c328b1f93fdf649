"""What becomes of connections and publications: counted, logged, and told as events.

A publication that is refused for good is told once an hour for each topic; a site without a line
tells one loss and one return, however often it tried in between.
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
    """Keeps count.

    Attributes:
        connects: Connections accepted since the process started.

    Args:
        events: Takes what is told; None: it is only counted.
        clock: Monotonic.
    """

    def __init__(self, events: Events | None, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._since_s = clock.now()
        self._tries = 0
        self._why = ""
        self._recorded_s: dict[str, float] = {}
        self._dropped = RateLimitedLog("broker", "publication dropped", clock=clock)
        self._refused = RateLimitedLog("broker", "publication refused", clock=clock)
        self._overflowed = RateLimitedLog("broker", "message dropped", clock=clock)
        self.connects = 0

    @property
    def dropped(self) -> int:
        """Publications dropped because we were offline or there was no room."""
        return self._dropped.total

    @property
    def refused(self) -> int:
        """Publications that the broker or our own limit refused."""
        return self._refused.total

    def on_connected(self, broker: str) -> None:
        """A connection has been accepted."""
        self.connects += 1
        now_s = self._clock.now()
        log.info("connected", broker=broker, connects=self.connects)
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
        """So many publications are dropped; the next birth makes them anew."""
        self._dropped.count(topic, count)

    def count_refused(self, topic: str, why: str) -> None:
        """A publication is refused for good."""
        self._refused.count(f"{topic}: {why}")
        now_s = self._clock.now()
        if now_s - self._recorded_s.get(topic, float("-inf")) < REPEAT_S:
            return
        if topic in self._recorded_s or len(self._recorded_s) < MAX_TOPICS:
            self._recorded_s[topic] = now_s
            self._record(Event("publication.refused", {"topic": topic, "why": why}))

    def count_overflow(self, count: int) -> None:
        """So many messages came while there was no room."""
        self._overflowed.count("", count)

    def on_echo_missing(self) -> None:
        """The broker has never let us hear ourselves."""
        log.warning("echo not heard", hint="does the broker let us read our own up/echo?")
        self._record(Event("link", {"st": "echo_missing"}))

    def _record(self, event: Event) -> None:
        if self._events is not None:
            self._events.record(event)
