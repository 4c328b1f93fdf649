"""What is told of connections and publications."""

from __future__ import annotations

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.stats import MAX_TOPICS, REPEAT_S, ConnectionStats
from tests.fixtures.clock import FakeClock
from tests.fixtures.presence import EventLog

LOST = BrokerUnavailable(Reason.STALLED, "nothing heard")


def test_an_outage_is_one_loss_and_one_return() -> None:
    """However often it was tried in between; with how long it was, and why."""
    clock, told = FakeClock(), EventLog()
    trail = ConnectionStats(told, clock)
    trail.on_connected("b:1")
    clock.time_s += 100
    trail.on_connection_lost(LOST)
    for _ in range(20):
        clock.time_s += 60
        trail.on_connect_failed(BrokerUnavailable(Reason.DNS_FAILED, "no name"))
    trail.on_connected("b:1")

    assert [dict(each.facts) for each in told.events] == [
        {"st": "up", "broker": "b:1", "connects": 1},
        {"st": "lost", "why": "STALLED", "on_s": 100.0},
        {
            "st": "up",
            "broker": "b:1",
            "connects": 2,
            "off_s": 1200.0,
            "why": "DNS_FAILED",
            "tries": 20,
        },
    ]


def test_a_refused_topic_is_told_once_an_hour() -> None:
    """Every refusal is counted all the same."""
    clock, told = FakeClock(), EventLog()
    trail = ConnectionStats(told, clock)
    for _ in range(10):
        trail.count_refused("a", "Not authorized")
    clock.time_s += REPEAT_S
    trail.count_refused("a", "Not authorized")

    assert len(told.events) == 2
    assert trail.refused == 11


def test_what_is_remembered_of_topics_is_bounded() -> None:
    """Answers have topics without number."""
    told = EventLog()
    trail = ConnectionStats(told, FakeClock())
    for number in range(MAX_TOPICS * 2):
        trail.count_refused(str(number), "Not authorized")

    assert len(told.events) == MAX_TOPICS
    assert trail.refused == MAX_TOPICS * 2
