"""When alarms are told, and that they outlive a restart, a full disk and a forgetful broker."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from gateway.alarms.camera_rules import SiteTopology
from gateway.alarms.evaluate import AlarmEvaluation
from gateway.alarms.service import AlarmService
from gateway.alarms.store import AlarmStore, StoredAlarms
from gateway.model.alarm import Alarm, Damping, Finding, HostLimits
from gateway.model.event import Event
from gateway.model.health import CameraSnapshot, HostSample
from gateway.model.reasons import Reason
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.payloads.alarm import CLEARED_S, decode_alarm
from gateway.mqtt.payloads.config import Reported
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.bugs import BugCounts
from tests.fixtures.clock import FakeClock

TOPICS = Topics("79", "hcm-q1-01")
KEY = "cam.c07.down"
BAD = Finding(KEY, True, Reason.TIMEOUT, "major", {"cam": "c07"})
GOOD = Finding(KEY, False, Reason.OK, "major")


class Ended(BaseException):
    """No more rounds."""


class RecordingBus:
    """A bus and an event log that remember."""

    def __init__(self) -> None:
        self.connected = True
        self.posted: list[OutboundMessage] = []
        self.events: list[Event] = []

    def publish(self, publication: OutboundMessage) -> None:
        self.posted.append(publication)

    def acknowledge(self, message: InboundMessage) -> None:
        """Nothing comes in here."""

    def record(self, event: Event) -> None:
        self.events.append(event)


class Harness:
    """Alarms that are raised by the second failed check and cleared by the first good one."""

    def __init__(self, folder: Path) -> None:
        self.bus = RecordingBus()
        self.rounds: list[Finding] = []
        self.errors: list[Exception] = []
        self.clock = FakeClock()
        self.store = AlarmStore(folder)
        self.alarms = AlarmService(
            TOPICS,
            evaluate=self._evaluate,
            damping=Damping(raise_checks=2, raise_s=0.0, clear_s=0.0),
            store=self.store,
            epochs=Epochs(None),
            bus=self.bus,
            events=self.bus,
            clock=self.clock,
            check_s=15.0,
        )

    def _evaluate(self, standing: Collection[str]) -> Iterable[Finding]:
        del standing
        if self.errors:
            raise self.errors.pop()
        if not self.rounds:
            raise Ended
        return [self.rounds.pop(0)]

    async def check(self, *rounds: Finding) -> None:
        self.rounds = list(rounds)
        with pytest.raises(Ended):
            await self.alarms.run()


def alarms_in(said: Iterable[OutboundMessage]) -> list[tuple[str, bool]]:
    read = [decode_alarm(each.payload, each.content_type)[1] for each in said]
    return [(each.key, each.raised) for each in read]


async def test_raising_is_a_retained_message_and_an_event(tmp_path: Path) -> None:
    """The present on the alarm's topic, history in the events."""
    harness = Harness(tmp_path)

    await harness.check(BAD, BAD)

    (said,) = harness.bus.posted
    assert (said.topic, said.retain, said.path, said.expiry_s) == (
        TOPICS.alarm(KEY),
        True,
        "conflated",
        None,
    )
    (event,) = harness.bus.events
    assert event.kind == "alarm"
    assert event.facts["act"] == "raise"
    assert event.facts["alarm"] == harness.alarms.standing[0].id


async def test_what_is_cleared_leaves_the_broker_after_a_week(tmp_path: Path) -> None:
    """Told as cleared, with an end."""
    harness = Harness(tmp_path)

    await harness.check(BAD, BAD, GOOD)

    assert alarms_in(harness.bus.posted) == [(KEY, True), (KEY, False)]
    assert harness.bus.posted[-1].expiry_s == CLEARED_S == 604_800
    assert [each.facts["act"] for each in harness.bus.events] == ["raise", "clear"]


async def test_a_connection_begins_with_what_stands(tmp_path: Path) -> None:
    """Each time: the broker may have lost its memory."""
    harness = Harness(tmp_path)
    await harness.check(BAD, BAD)

    greetings = [alarms_in(harness.alarms.greeting()) for _ in range(2)]

    assert greetings == [[(KEY, True)]] * 2


async def test_a_clear_that_was_never_heard_is_told_after_a_restart(tmp_path: Path) -> None:
    """The broker would keep the alarm for ever; the next connection takes it away, once."""
    harness = Harness(tmp_path)
    await harness.check(BAD, BAD, GOOD)

    again = Harness(tmp_path)

    assert alarms_in(again.alarms.greeting()) == [(KEY, False)]
    assert alarms_in(again.alarms.greeting()) == []


async def test_an_alarm_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """Same id, no second raise; cleared when the checks are good."""
    harness = Harness(tmp_path)
    await harness.check(BAD, BAD)
    (before,) = harness.alarms.standing

    again = Harness(tmp_path)
    await again.check(BAD, BAD, GOOD)

    assert [each.facts["alarm"] for each in again.bus.events] == [before.id]
    assert alarms_in(again.bus.posted) == [(KEY, False)]


async def test_a_disk_that_takes_nothing_stops_no_alarm(tmp_path: Path) -> None:
    """It is said in the log; the alarm is told all the same."""
    (tmp_path / "alarms.json").mkdir()
    harness = Harness(tmp_path)

    await harness.check(BAD, BAD)

    assert alarms_in(harness.bus.posted) == [(KEY, True)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"standing":[{"key":1}]}', "x" * 2_000_000])
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    """What still fails is raised anew."""
    (tmp_path / "alarms.json").write_text(text)

    assert AlarmStore(tmp_path).load() == StoredAlarms()


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    """All of an alarm, and only its owner may read it."""
    kept = StoredAlarms(
        (Alarm("a", "1", True, "minor", 5, Reason.TIMEOUT, {"n": 1, "s": "x"}, True, 7, "b"),),
        (Alarm("c", "2", False, "critical", 6, Reason.DISK_FULL),),
    )

    AlarmStore(tmp_path).save(kept)

    assert AlarmStore(tmp_path).load() == kept
    assert (tmp_path / "alarms.json").stat().st_mode & 0o777 == 0o600


def test_a_round_applies_all_rules() -> None:
    """Cameras, machine, certificate, pictures and configuration."""
    checks = AlarmEvaluation(
        snapshots=lambda: (CameraSnapshot("c01", "Sảnh", True, Reason.OK, 0.0),),
        topology=SiteTopology(lambda _: (), tuple),
        host=lambda: HostSample(temperature_c=90.0),
        limits=HostLimits(),
        certificate_ends_ms=lambda: 0,
        bus=RecordingBus(),
        clock=FakeClock(),
        suspected_faults=lambda: {"c01": frozenset({Reason.STALLED})},
        configuration=lambda: Reported(version=4, state="rolled_back", why="deadline"),
    )

    found = checks.evaluate(())

    assert {each.key for each in found if each.bad} == {
        "cam.c01.picture",
        "host.temp",
        "cert.ends",
        "config.undone",
    }


async def test_an_unexpected_error_ends_one_round_and_nothing_else(
    tmp_path: Path, contained_bugs: BugCounts
) -> None:
    """The alarms of the next rounds are raised."""
    harness = Harness(tmp_path)
    harness.errors = [RuntimeError("a bug")]

    await harness.check(BAD, BAD)

    assert alarms_in(harness.bus.posted) == [(KEY, True)]
    assert dict(contained_bugs.counts) == {"report": 1}
