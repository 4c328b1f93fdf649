"""Events that strangers repeat: few are written, none is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from gateway.model.event import Event
from gateway.runtime.repeated_events import (
    EVERY_S,
    RECORDS,
    RECORDS_PER_MIN,
    SUBJECTS,
    RepeatedEvents,
)
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import RecordedEvents

DAY_S = 86_400
EVENT_BYTES = 12_700
"""What one event on its own writes to the disk: by /proc/PID/io of a gateway with two a second."""

CARD_BYTES = 50_000_000
"""What may be written in a day."""


def counted(events: RecordedEvents) -> int:
    """Return how many events the recorded ones stand for."""
    return sum(int(str(each.facts["count"])) for each in events.all)


def test_the_first_is_recorded_at_once_the_rest_once_a_minute_with_the_last_example() -> None:
    """What a person looks for is there at once; a flood is one line a minute."""
    events, clock = RecordedEvents(), FakeClock()
    repeated = RepeatedEvents(events, clock=clock)

    for number in range(100):
        repeated.record(Event("session", {"sid": number}, "info"), "c01", "404")
    clock.time_s += EVERY_S
    repeated.record(Event("session", {"sid": 100}, "info"), "c01", "404")

    assert events.all == [
        Event("session", {"sid": 0, "count": 1}, "info"),
        Event("session", {"sid": 100, "count": 100}, "info"),
    ]


def test_subjects_do_not_hide_each_other() -> None:
    """A flood of one refusal leaves another to be seen at once."""
    events = RecordedEvents()
    repeated = RepeatedEvents(events, clock=FakeClock())

    for _ in range(100):
        repeated.record(Event("session"), "c01", "404")
    repeated.record(Event("session"), "c02", "404")
    repeated.record(Event("session"), "c01", "403")
    repeated.record(Event("command"), "c01", "404")

    assert [each.kind for each in events.all] == ["session"] * 3 + ["command"]


def test_a_flood_of_one_requester_hides_nobody_elses_refusal() -> None:
    """Neither that of the same subject nor of another: each is recorded at once, and says whose."""
    events = RecordedEvents()
    repeated = RepeatedEvents(events, clock=FakeClock())
    for number in range(100):
        for code in ("403", "404"):
            hostile = Event("session", {"viewer": "v-hostile"})
            repeated.record(hostile, f"c{number}", code, by="v-hostile")

    repeated.record(Event("session", {"viewer": "v-honest"}), "c01", "403", by="v-honest")
    repeated.record(Event("session", {"viewer": "v-honest"}), "c99", "404", by="v-honest")

    honest = [each.facts for each in events.all if each.facts["viewer"] == "v-honest"]
    assert honest == [{"viewer": "v-honest", "count": 1}] * 2
    repeated.flush()
    assert counted(events) == 202


async def test_what_was_counted_is_recorded_though_no_more_come() -> None:
    """A minute later, by itself."""
    events = RecordedEvents()
    repeated = RepeatedEvents(events, clock=FakeClock())
    for _ in range(5):
        repeated.record(Event("session"))

    running = asyncio.create_task(repeated.run())
    for _ in range(40):  # turns of the loop: ten seconds of the clock in two or three
        await asyncio.sleep(0)
    recorded = [each.facts["count"] for each in events.all]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert recorded == [1, 4]


async def test_nothing_counted_is_lost_when_the_gateway_stops() -> None:
    """What is left is recorded at the end."""
    events = RecordedEvents()
    repeated = RepeatedEvents(events, clock=FakeClock())
    for _ in range(5):
        repeated.record(Event("session"))

    running = asyncio.create_task(repeated.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert counted(events) == 5


def test_a_day_of_refusals_of_ever_new_subjects_is_bounded_and_counted() -> None:
    """Whoever invents subjects fills neither the table nor the card: bound by arithmetic."""
    events, clock = RecordedEvents(), FakeClock()
    repeated = RepeatedEvents(events, clock=clock)

    for number in range(DAY_S):
        clock.time_s += 1
        repeated.record(Event("session", {"cam": f"c{number}"}, "info"), f"c{number}")
    recorded = len(events.all)
    repeated.flush()

    assert recorded <= RECORDS + RECORDS_PER_MIN * DAY_S / 60
    assert recorded * EVENT_BYTES < CARD_BYTES
    assert len(events.all) - recorded <= SUBJECTS + 1
    assert counted(events) == DAY_S
