"""What is published and recorded: one report is current, however many others come beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.payloads.config import Reported, ReportedFault
from gateway.mqtt.topics import Topics
from gateway.remote_config.report import BURST, ConfigReporter
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import FakeBus, RecordedEvents

JUNK = Reported(
    state="rejected", errors=(ReportedFault(at="", code="json.type", message="it is no object"),)
)
PENDING = Reported(version=7, sha256="7" * 64, state="pending_confirm")
SUPERSEDED = Reported(version=6, sha256="6" * 64, state="superseded")


class ReporterHarness:
    """A reporter, what it publishes and what it records."""

    def __init__(self) -> None:
        self.bus, self.recorded, self.clock = FakeBus(), RecordedEvents(), FakeClock()
        self.reporter = ConfigReporter(
            Topics("79", "hcm-q1-01"),
            Reported(version=0, state="applied"),
            bus=self.bus,
            events=self.recorded,
            stamp=lambda: Stamp(0, 1, 1),
            clock=self.clock,
        )

    def published(self) -> Iterator[dict[str, Any]]:
        while not self.bus.posted.empty():
            posted = self.bus.posted.get_nowait()
            yield decode_tree(posted.payload, posted.content_type)

    def greeting(self) -> dict[str, Any]:
        (message,) = self.reporter.greeting()
        return decode_tree(message.payload, message.content_type)


@pytest.fixture
def harness() -> ReporterHarness:
    return ReporterHarness()


def test_every_connection_begins_with_the_current_report(harness: ReporterHarness) -> None:
    """That is the last one that was not published aside."""
    assert harness.greeting()["st"] == "applied"

    harness.reporter.publish(PENDING)
    harness.reporter.publish_aside(SUPERSEDED)

    assert [each["st"] for each in harness.published()] == ["pending_confirm", "superseded"]
    assert harness.greeting()["ver"] == 7


def test_a_deadline_is_told_as_the_seconds_that_are_left(harness: ReporterHarness) -> None:
    """Whenever the report is published again; of other reports there is none."""
    harness.reporter.publish(PENDING, deadline_s=harness.clock.now() + 60)
    harness.clock.time_s += 20
    harness.reporter.publish_aside(SUPERSEDED)
    harness.reporter.republish()
    harness.clock.time_s += 50

    assert [each.get("until_s") for each in harness.published()] == [60, None, 40]
    assert harness.greeting()["until_s"] == 0


def test_a_flood_of_rejections_is_recorded_in_part(harness: ReporterHarness) -> None:
    """The audit says how many it was not told of; other outcomes are always recorded."""
    for _ in range(BURST + 50):
        harness.reporter.record(JUNK)
    harness.reporter.record(SUPERSEDED)
    harness.clock.time_s += 60
    harness.reporter.record(JUNK)

    events = harness.recorded.all
    assert len(events) == BURST + 2
    assert [events[-2].facts["act"], events[-1].facts["act"]] == ["superseded", "rejected"]
    assert events[-1].facts["untold"] == 50
