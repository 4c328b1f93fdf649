"""Fixtures of the console's unit tests: messages of gateways, encoded as gateways encode them."""

from __future__ import annotations

from gateway.console.site_registry import Change, SiteRegistry
from gateway.console.site_state import site_key
from gateway.console.views import AlarmView
from gateway.model.alarm import Alarm
from gateway.model.health import CameraHealth, CameraSnapshot, Machine, SiteHealth, State
from gateway.model.reasons import Reason
from gateway.mqtt import topics
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads import alarm as alarm_payload
from gateway.mqtt.payloads import health as health_payload
from gateway.mqtt.payloads import presence as presence_payload
from gateway.mqtt.topic_tree import TopicSpec
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.clock import FakeClock

NOW_MS = 1_795_000_000_000
TOPICS = Topics("24", "bacninh-01")
MACHINE = Machine(version="0.1.0")


class Site:
    """One gateway that talks to a register, and the clock both live by."""

    def __init__(self, where: Topics = TOPICS, register: SiteRegistry | None = None) -> None:
        self.clock = FakeClock()
        self.registry = register or SiteRegistry(
            clock=self.clock,
            wall_ms=lambda: NOW_MS + round((self.clock.time_s - 1000) * 1000),
        )
        self.topics = where
        self.epoch = 5
        self.number = 0

    @property
    def key(self) -> str:
        return site_key(self.topics.province, self.topics.gateway)

    def stamp(self, time_ms: int = NOW_MS) -> Stamp:
        self.number += 1
        return Stamp(time_ms, self.epoch, self.number)

    def take(
        self, topic: str, encoded: tuple[str, bytes], *, retain: bool = False
    ) -> Change | None:
        place = parse_topic(topic)
        assert place is not None
        kind, payload = encoded
        return self.registry.apply_message(
            place, InboundMessage(topic, payload, retain, content_type=kind)
        )

    def online(self, *, retain: bool = False) -> Change | None:
        encoded = presence_payload.encode_online(self.stamp(), MACHINE)
        return self.take(self.topics.presence, encoded, retain=retain)

    def lost(self, epoch: int) -> Change | None:
        return self.take(self.topics.presence, presence_payload.encode_will(epoch))

    def birth(self, *cameras: str) -> Change | None:
        listed = [CameraSnapshot(each, f"Quầy {each}", True, Reason.OK, 0.0) for each in cameras]
        abilities = presence_payload.Capabilities()
        encoded = presence_payload.encode_birth(
            self.stamp(), MACHINE, site="Một cửa", cameras=listed, capabilities=abilities
        )
        return self.take(self.topics.birth, encoded)

    def health(self, *, retain: bool = False, time_ms: int = NOW_MS) -> Change | None:
        encoded = health_payload.encode_site_health(self.stamp(time_ms), SiteHealth())
        return self.take(self.topics.site_health, encoded, retain=retain)

    def cameras(
        self, *said: CameraHealth, retain: bool = False, time_ms: int = NOW_MS
    ) -> Change | None:
        encoded = health_payload.encode_cameras_health(self.stamp(time_ms), said)
        return self.take(self.topics.cameras_health, encoded, retain=retain)

    def camera(self, said: CameraHealth) -> Change | None:
        encoded = health_payload.encode_camera_state(self.stamp(), said)
        return self.take(self.topics.camera_state(said.id), encoded)

    def alarm(self, said: Alarm, *, retain: bool = False, time_ms: int = NOW_MS) -> Change | None:
        encoded = alarm_payload.encode_alarm(self.stamp(time_ms), said)
        return self.take(self.topics.alarm(said.key), encoded, retain=retain)

    def alarms(self) -> tuple[AlarmView, ...]:
        view = self.registry.view(Change(self.key))
        assert view is not None
        return view.alarms

    def state(self) -> str:
        view = self.registry.view(Change(self.key))
        assert view is not None
        return view.st

    def camera_state(self, camera: str) -> str:
        view = self.registry.view(Change(self.key))
        assert view is not None
        return next(each.st for each in view.cams if each.id == camera)


def seen(camera: str, state: State = "on", reason: Reason = Reason.OK) -> CameraHealth:
    """What a gateway says of *camera*."""
    return CameraHealth(camera, state, reason, since_s=30.0)


class MemoryBus:
    """A bus that keeps what is posted."""

    def __init__(self) -> None:
        self.connected = True
        self.posted: list[OutboundMessage] = []

    def publish(self, message: OutboundMessage) -> None:
        self.posted.append(message)

    def acknowledge(self, message: InboundMessage) -> None:
        """Nothing here is journalled."""


def channel_of(publication: OutboundMessage) -> TopicSpec:
    place = topics.parse_topic(publication.topic)
    assert place is not None
    return place.spec
