"""Publishes what becomes of configurations: one retained topic, whose last report is current."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from gateway.mqtt import topic_tree
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.config import Reported, encode_reported
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Bus, Clock, Events, OutboundMessage
from gateway.remote_config import statuses
from gateway.runtime.rate_limit import TokenBucket

log = structlog.get_logger(__name__)

PER_MIN, BURST = 2, 30
"""So many rejections are recorded for the audit: whoever floods us must not wear the card out. One
is 12.7 kB written to it, as in `gateway.runtime.repeated_events`: 37 MB a day."""


class ConfigReporter:
    """Publishes reports and records outcomes for the audit; what is reported is others' decision.

    Args:
        topics: Of this gateway.
        latest: The current report at the start.
        bus: Publishes.
        events: Records for the audit.
        stamp: Numbers messages.
        clock: Monotonic.
    """

    def __init__(
        self,
        topics: Topics,
        latest: Reported,
        *,
        bus: Bus,
        events: Events,
        stamp: Callable[[], Stamp],
        clock: Clock,
    ) -> None:
        self._topic = topics.config_reported
        self._latest = latest
        self._deadline_s: float | None = None
        self._bus = bus
        self._events = events
        self._stamp = stamp
        self._clock = clock
        self._quota = TokenBucket(PER_MIN, BURST, clock=clock)
        self._unrecorded = 0

    @property
    def latest(self) -> Reported:
        """The current report."""
        return self._latest

    def greeting(self) -> Iterator[OutboundMessage]:
        """Yield what every connection begins with: the current report."""
        yield self._message(self._latest, self._deadline_s)

    def publish(self, report: Reported, *, deadline_s: float | None = None) -> None:
        """Publish *report*, which is current from now on.

        Args:
            report: What to publish.
            deadline_s: Until when its confirmation is awaited, by the clock.
        """
        self._latest, self._deadline_s = report, deadline_s
        self.republish()

    def republish(self) -> None:
        """Publish the current report once more."""
        self._bus.publish(self._message(self._latest, self._deadline_s))

    def publish_aside(self, report: Reported) -> None:
        """Publish *report* of another document than the current report's, which stays current."""
        self._bus.publish(self._message(report, None))

    def record(self, outcome: Reported) -> None:
        """Record *outcome* for the audit.

        Of a flood of rejections only some are logged and recorded, with how many were not.
        """
        if outcome.state != "rejected":
            self._events.record(statuses.outcome_event(outcome))
        elif self._quota.try_acquire():
            faults = [f"{each.at or '/'}: {each.message} [{each.code}]" for each in outcome.errors]
            log.error("config_rejected", faults=faults[:16])
            self._events.record(statuses.outcome_event(outcome, unrecorded=self._unrecorded))
            self._unrecorded = 0
        else:
            self._unrecorded += 1

    def _message(self, report: Reported, deadline_s: float | None) -> OutboundMessage:
        if deadline_s is not None:
            left_s = max(0, round(deadline_s - self._clock.now()))
            report = report.model_copy(update={"until_s": left_s})
        return build_message(
            topic_tree.CONFIG_REPORTED, self._topic, encode_reported(self._stamp(), report)
        )
