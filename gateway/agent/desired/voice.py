"""Reporting the configuration: one retained topic, which always ends with what matters now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from gateway.agent.desired import words
from gateway.agent.desired.standing import Standing
from gateway.model.errors import Fault
from gateway.mqtt import tree
from gateway.mqtt.topics import Topics, publication
from gateway.mqtt.wire import Stamp
from gateway.mqtt.wire_config import Desired, Reported, seal_reported
from gateway.ports import Bus, Clock, Events, Publication

log = structlog.get_logger(__name__)


class Voice:
    """Says what becomes of documents.

    Args:
        topics: Of this gateway.
        standing: What runs.
        bus: Takes the reports.
        events: Are told what was decided, for the audit.
        stamp: Numbers messages.
        clock: Monotonic.

    Attributes:
        deadline_s: Until when a confirmation is waited for; None: for none.
    """

    def __init__(
        self,
        topics: Topics,
        standing: Standing,
        *,
        bus: Bus,
        events: Events,
        stamp: Callable[[], Stamp],
        clock: Clock,
    ) -> None:
        self._topic = topics.config_reported
        self._standing = standing
        self._bus = bus
        self._events = events
        self._stamp = stamp
        self._clock = clock
        self._said = standing.report()
        self.deadline_s: float | None = None

    def greeting(self) -> Iterator[Publication]:
        """Yield what is said on every connection: the last word."""
        yield self._publication(self._said)

    def say(self, said: Reported) -> None:
        """Report *said*, which is the last word until something else is."""
        self._said = said
        self._bus.post(self._publication(said))

    def again(self) -> None:
        """Report the last word once more."""
        self._bus.post(self._publication(self._said))

    def mention(self, said: Reported) -> None:
        """Report *said* of a document that is not the one that matters."""
        self._bus.post(self._publication(said))

    def decide(self, said: Reported) -> None:
        """Report *said*, and put it down for the audit."""
        self._events.record(words.decided(said))
        self.say(said)

    def reject(self, desired: Desired | None, faults: tuple[Fault, ...]) -> None:
        """Report that a document changes nothing; None: it could not be read."""
        standing = self._standing
        said = words.rejected(desired, faults, running=standing.version, lkg=standing.lkg)
        log.error("config_rejected", faults=[str(fault) for fault in faults[:16]])
        if standing.trying is None:
            self.decide(said)
        else:  # what waits to be confirmed stays the last word
            self._events.record(words.decided(said))
            self.mention(said)
            self.again()

    def _publication(self, said: Reported) -> Publication:
        if said.state == "pending_confirm" and self.deadline_s is not None:
            left_s = max(0, round(self.deadline_s - self._clock.now()))
            said = said.model_copy(update={"until_s": left_s})
        return publication(tree.CONFIG_REPORTED, self._topic, seal_reported(self._stamp(), said))
