"""Who is heard to have been seen at the command centre, and the file that remembers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.centre.coverage import CoverageListener, CoverageStore
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.model.signalling import SessionKey, SessionStats
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.event import EventStamp, encode_record
from gateway.mqtt.payloads.signalling import encode_gateway_message
from gateway.mqtt.topic_tree import PLAIN
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage
from gateway.survey.coverage import SiteSeen, coverage_of

NOW_MS = 1_795_000_000_000
TOPICS = Topics("24", "bacninh-01")
KEY = SessionKey("v-1", "session-1")


def heard(topic: str, payload: bytes, kind: str = PLAIN) -> tuple[SiteSeen, ...]:
    listener = CoverageListener(wall_ms=lambda: NOW_MS)
    listener.on_message(InboundMessage(topic, payload, False, content_type=kind))
    return listener.seen()


@pytest.mark.parametrize(
    ("stats", "counts"),
    [
        (SessionStats(KEY, 900.0, round_trip_ms=20.0), True),
        (SessionStats(KEY, 900.0), False),
        (SessionStats(KEY, 900.0, loss_percent=100.0, round_trip_ms=20.0), False),
        (SessionStats(KEY, 900.0, round_trip_ms=20.0, slate=Reason.TIMEOUT), False),
    ],
)
def test_what_a_viewer_reports_to_receive_counts(stats: SessionStats, *, counts: bool) -> None:
    """What is only sent, is lost, or is a slate does not."""
    kind, payload = encode_gateway_message(Stamp(1, 1, 1), stats)

    seen = heard(TOPICS.gateway_signalling(KEY), payload, kind)

    assert seen == ((SiteSeen("24", "bacninh-01", NOW_MS),) if counts else ())


@pytest.mark.parametrize("received", [True, False])
def test_a_viewing_that_has_ended_counts_when_it_ended(*, received: bool) -> None:
    """The broker keeps such events for whoever is away."""
    facts = {"act": "end", "viewer": "v-1", "sid": "s", "cam": "c01", "received": received}
    stamp = EventStamp("01KATBZ0B3Y7QZ6N9X0V5T2M4R", 1, 1, NOW_MS - 5000, 1.0)

    seen = heard(TOPICS.event, encode_record(Event("session", facts, "audit"), stamp))

    assert [each.last_ms for each in seen] == ([NOW_MS - 5000] if received else [])


def test_what_cannot_be_read_proves_nothing() -> None:
    """And ends nothing."""
    assert heard(TOPICS.event, b"{") == heard("cgw/v1/nonsense", b"{}") == ()


def test_the_file_keeps_the_newest_and_what_a_site_said_before(tmp_path: Path) -> None:
    """Its client id too, since the broker keeps events under it."""
    store = CoverageStore(tmp_path / "coverage.db")
    store.note([SiteSeen("24", "a", 9, "27")])
    store.note([SiteSeen("24", "a", 5)])
    before = store.client_id()
    store.close()

    assert store.seen() == (SiteSeen("24", "a", 9, "27"),)
    assert store.client_id() == before
    store.close()


def test_a_day_of_history_is_its_most(tmp_path: Path) -> None:
    """Whoever asks at night sees the day."""
    store = CoverageStore(tmp_path / "coverage.db")
    store.record_day("2026-11-28", coverage_of([SiteSeen("24", "a", 9, "27")], 9))
    store.record_day("2026-11-28", coverage_of([], 9))

    (day,) = store.history()
    store.close()

    assert (day.provinces, day.former, day.sites) == (1, 1, 1)
