"""What the reporter sends when; time is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.model.health import CameraSnapshot, HostSample, LinkSample, RelaySample
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.payloads import health as health_payload
from gateway.mqtt.payloads import presence as presence_payload
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.bugs import BugCounts
from gateway.telemetry.reporter import CALM_S, CHECK_S, LOSSES_S, SETTLE_S, Reporter
from tests.fixtures.reports import MACHINE

TOPICS = Topics("79", "hcm-q1-01")
LOBBY = CameraSnapshot("c01", "Sảnh", True, Reason.OK, 0.0)
COUNTER = CameraSnapshot("c07", "Quầy 7", True, Reason.IDLE, 0.0)


class Ended(BaseException):
    """The time of the test is over."""


class ScriptedClock:
    """A clock that moves when slept on; cameras change at the times in `events`."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.end_s = 1000.0
        self.events: dict[float, tuple[CameraSnapshot, ...]] = {}
        self.cameras: tuple[CameraSnapshot, ...] = (LOBBY, COUNTER)

    def now(self) -> float:
        return self.time_s

    async def sleep(self, delay_s: float) -> None:
        if self.time_s >= self.end_s:
            raise Ended
        self.time_s += delay_s
        for at_s in [each for each in self.events if each <= self.time_s]:
            self.cameras = self.events.pop(at_s)
        await asyncio.sleep(0)


class RecordingBus:
    """A bus that remembers what was posted when."""

    def __init__(self, clock: ScriptedClock) -> None:
        self.connected = True
        self.posted: list[tuple[float, OutboundMessage]] = []
        self._clock = clock

    def publish(self, publication: OutboundMessage) -> None:
        self.posted.append((self._clock.time_s, publication))

    def acknowledge(self, message: InboundMessage) -> None:
        """Nothing here is journalled."""

    def on(self, topic: str) -> list[tuple[float, OutboundMessage]]:
        return [each for each in self.posted if each[1].topic == topic]


class Harness:
    """A reporter with everything it needs."""

    def __init__(self, change_key: Callable[[], object] = object) -> None:
        self.clock = ScriptedClock()
        self.evaluations = 0
        self.errors: list[Exception] = []
        self.bus = RecordingBus(self.clock)
        self.digests: dict[str, str] = {}
        self.reporter = Reporter(
            TOPICS,
            machine=MACHINE,
            site=lambda: "Quận 1",
            capabilities=presence_payload.Capabilities(),
            epochs=Epochs(None),
            snapshots=self._snapshots,
            relay=RelaySample,
            link=LinkSample,
            host=HostSample,
            bus=self.bus,
            clock=self.clock,
            status=lambda: presence_payload.BirthStatus(digests=self.digests),
            change_key=change_key,
        )
        self.greeted = list(self.reporter.greeting())

    def _snapshots(self) -> tuple[CameraSnapshot, ...]:
        self.evaluations += 1
        if self.errors:
            raise self.errors.pop()
        return self.clock.cameras

    async def run_for(self, seconds_s: float) -> None:
        """Let so much time pass."""
        self.clock.end_s = self.clock.time_s + seconds_s
        with pytest.raises(Ended):
            await self.reporter.run()


@pytest.fixture
def harness() -> Harness:
    """A reporter on its first connection, at second 1000."""
    return Harness()


def test_a_connection_begins_with_all_that_is_retained(harness: Harness) -> None:
    """So that a broker that has lost its memory knows everything again."""
    assert [each.topic for each in harness.greeted] == [
        TOPICS.presence,
        TOPICS.birth,
        TOPICS.site_health,
        TOPICS.cameras_health,
        TOPICS.camera_state("c01"),
        TOPICS.camera_state("c07"),
    ]
    assert all(each.retain for each in harness.greeted)


def test_will_birth_and_farewell_share_the_epoch(harness: Harness) -> None:
    """A new one for each will."""
    will = harness.reporter.will()
    online = next(harness.reporter.greeting())
    farewell = harness.reporter.farewell()
    epochs = [
        presence_payload.decode_presence(each.payload, each.content_type).epoch
        for each in (will, online, farewell, harness.reporter.will())
    ]

    assert epochs[0] == epochs[1] == epochs[2] < epochs[3]


async def test_health_comes_once_a_minute(harness: Harness) -> None:
    """At the same second of each minute."""
    await harness.run_for(300)
    times_s = [at_s for at_s, _ in harness.bus.on(TOPICS.cameras_health)]

    assert len(times_s) == 5
    assert {round(later - earlier) for earlier, later in pairwise(times_s)} == {60}


async def test_nothing_changed_means_nothing_said(harness: Harness) -> None:
    """Between two reports a quiet site is silent."""
    await harness.run_for(300)

    assert {each.topic for _, each in harness.bus.posted} == {
        TOPICS.site_health,
        TOPICS.cameras_health,
    }


async def test_a_change_is_told_when_it_has_calmed_down(harness: Harness) -> None:
    """After a second, once."""
    broken = replace(COUNTER, reason=Reason.TIMEOUT, since_s=1010.0, attempts=1)
    harness.clock.events[1010.0] = (LOBBY, broken)

    await harness.run_for(40)
    told = harness.bus.on(TOPICS.camera_state("c07"))

    assert [at_s for at_s, _ in told] == [1010 + CALM_S]
    _, health = health_payload.decode_camera_state(told[0][1].payload, told[0][1].content_type)
    assert (health.state, health.reason, health.since_s) == ("off", Reason.TIMEOUT, CALM_S)


async def test_a_change_that_is_undone_is_not_told(harness: Harness) -> None:
    """A stream that starts passes through states that nobody needs to see."""
    harness.clock.events[1010.0] = (LOBBY, replace(COUNTER, reason=Reason.CONNECTING))
    harness.clock.events[1011.0] = (LOBBY, COUNTER)

    await harness.run_for(40)

    assert harness.bus.on(TOPICS.camera_state("c07")) == []


async def test_a_camera_that_never_calms_down_is_told_all_the_same(harness: Harness) -> None:
    """At most every ten seconds."""
    for number in range(120):
        flapping = replace(COUNTER, reason=Reason.TIMEOUT, attempts=number)
        harness.clock.events[1001.0 + number * CHECK_S] = (LOBBY, flapping)

    await harness.run_for(60)
    told = harness.bus.on(TOPICS.camera_state("c07"))

    assert 60 / SETTLE_S - 2 <= len(told) <= 60 / SETTLE_S


async def test_a_new_camera_is_born_again(harness: Harness) -> None:
    """The list in the birth changes; the camera's state follows."""
    fresh = CameraSnapshot("c09", "Kho", True, Reason.IDLE, 1010.0)
    harness.clock.events[1010.0] = (LOBBY, COUNTER, fresh)

    await harness.run_for(20)
    ((_, birth),) = harness.bus.on(TOPICS.birth)

    listed = presence_payload.decode_birth(birth.payload, birth.content_type).cameras
    assert [each.id for each in listed] == ["c01", "c07", "c09"]
    assert len(harness.bus.on(TOPICS.camera_state("c09"))) == 1


async def test_a_camera_that_is_gone_is_removed_from_the_broker(harness: Harness) -> None:
    """An empty retained payload; nobody sees its ghost."""
    harness.clock.events[1010.0] = (LOBBY,)

    await harness.run_for(20)
    ((_, removal),) = harness.bus.on(TOPICS.camera_state("c07"))

    assert (removal.payload, removal.retain) == (b"", True)


async def test_changes_wait_for_the_connection(harness: Harness) -> None:
    """The greeting tells them; they are not told twice."""
    harness.bus.connected = False
    harness.clock.events[1010.0] = (LOBBY, replace(COUNTER, reason=Reason.TIMEOUT))
    await harness.run_for(20)
    assert harness.bus.on(TOPICS.camera_state("c07")) == []

    greeted = list(harness.reporter.greeting())
    harness.bus.connected = True
    await harness.run_for(20)

    _, health = health_payload.decode_camera_state(greeted[-1].payload, greeted[-1].content_type)
    assert health.reason is Reason.TIMEOUT
    assert harness.bus.on(TOPICS.camera_state("c07")) == []


async def test_while_the_change_key_is_equal_cameras_are_evaluated_rarely() -> None:
    """Evaluations are what a gateway costs whose cameras nobody watches."""
    harness = Harness(change_key=lambda: 1)
    await harness.run_for(1)
    before = harness.evaluations

    await harness.run_for(20)

    assert harness.evaluations - before == 20 / LOSSES_S


async def test_losses_that_no_change_key_shows_are_told() -> None:
    """A picture that suffers is degraded within a few seconds."""
    harness = Harness(change_key=lambda: 1)
    lossy = replace(LOBBY, counters=SourceCounters(packets=90, lost=10))
    harness.clock.events[1010.0] = (lossy, COUNTER)

    await harness.run_for(20)
    ((at_s, told),) = harness.bus.on(TOPICS.camera_state("c01"))

    health = health_payload.decode_camera_state(told.payload, told.content_type)[1]
    assert health.state == "deg"
    assert at_s <= 1010 + LOSSES_S + CALM_S


async def test_what_a_change_key_shows_is_told_as_soon_as_it_has_calmed_down() -> None:
    """As if cameras had been evaluated all the time."""
    reporting: Harness = Harness(change_key=lambda: reporting.clock.cameras)
    reporting.clock.events[1010.0] = (LOBBY, replace(COUNTER, reason=Reason.TIMEOUT))

    await reporting.run_for(20)

    assert [at_s for at_s, _ in reporting.bus.on(TOPICS.camera_state("c07"))] == [1010 + CALM_S]


async def test_a_new_inventory_is_born_again(harness: Harness) -> None:
    """The birth that the broker keeps names the sections as they are."""
    harness.digests = {"cams": "77aa31c0be"}

    await harness.run_for(20)
    ((_, birth),) = harness.bus.on(TOPICS.birth)

    assert (
        presence_payload.decode_birth(birth.payload, birth.content_type).digests == harness.digests
    )


async def test_an_unexpected_error_ends_one_report_and_nothing_else(
    harness: Harness, contained_bugs: BugCounts
) -> None:
    """The reports of the minutes after it are sent."""
    harness.errors = [RuntimeError("a bug")]

    await harness.run_for(130.0)

    assert len(harness.bus.on(TOPICS.site_health)) >= 1
    assert dict(contained_bugs.counts) == {"report": 1}
