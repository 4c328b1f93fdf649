"""Reporting the configuration: one retained topic, which always ends with what matters now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from gateway.model.errors import Fault
from gateway.mqtt import topic_tree
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.config import Desired, Reported, encode_reported
from gateway.mqtt.topics import Topics, publication
from gateway.ports import Bus, Clock, Events, OutboundMessage
from gateway.remote_config import statuses
from gateway.remote_config.state import ConfigState
from gateway.runtime.rate_limit import TokenBucket

log = structlog.get_logger(__name__)


PER_MIN, BURST = 6, 30
"""So many rejections are put down one by one: whoever floods us must not fill the disk."""


class ConfigReporter:
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
        standing: ConfigState,
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
        self._quota = TokenBucket(PER_MIN, BURST, clock=clock)
        self._untold = 0
        self.deadline_s: float | None = None

    def greeting(self) -> Iterator[OutboundMessage]:
        """Yield what is said on every connection: the last word."""
        yield self._publication(self._said)

    def say(self, said: Reported) -> None:
        """Report *said*, which is the last word until something else is."""
        self._said = said
        self._bus.post(self._publication(said))

    def answer(self, desired: Desired) -> None:
        """Report what has become of *desired*, which is known; that is the last word then."""
        if (self._said.version, self._said.sha256) == (desired.version, desired.sha256):
            self.again()
        elif self._standing.candidate is not None:  # which is the last word, and shall stay it
            self.mention(self._standing.about(desired))
            self.again()
        else:
            self.say(self._standing.about(desired))

    def again(self) -> None:
        """Report the last word once more."""
        self._bus.post(self._publication(self._said))

    def mention(self, said: Reported) -> None:
        """Report *said* of a document that is not the one that matters."""
        self._bus.post(self._publication(said))

    def decide(self, said: Reported) -> None:
        """Report *said*, and put it down for the audit."""
        self._events.record(statuses.decided(said))
        self.say(said)

    def reject(self, desired: Desired | None, faults: tuple[Fault, ...]) -> None:
        """Report that a document changes nothing; None: it could not be read.

        Of a flood of them only some are logged and put down for the audit, with how many were not.
        """
        said = self._rejected(desired, faults)
        if self._standing.candidate is None:
            self.say(said)
        else:  # what waits to be confirmed stays the last word
            self.mention(said)
            self.again()

    def refuse(self, faults: tuple[Fault, ...]) -> None:
        """Report that a confirmation changes nothing; what was said of documents still stands."""
        self.mention(self._rejected(None, faults))
        self.again()

    def _rejected(self, desired: Desired | None, faults: tuple[Fault, ...]) -> Reported:
        standing = self._standing
        said = statuses.rejected(
            desired, faults, running=standing.version, lkg=standing.last_known_good
        )
        if self._quota.take():
            log.error("config_rejected", faults=[str(fault) for fault in faults[:16]])
            self._events.record(statuses.decided(said, untold=self._untold))
            self._untold = 0
        else:
            self._untold += 1
        return said

    def _publication(self, said: Reported) -> OutboundMessage:
        if said.state == "pending_confirm" and self.deadline_s is not None:
            left_s = max(0, round(self.deadline_s - self._clock.now()))
            said = said.model_copy(update={"until_s": left_s})
        return publication(
            topic_tree.CONFIG_REPORTED, self._topic, encode_reported(self._stamp(), said)
        )
