"""State of one site, and how the states of the site and of its cameras follow from it.

Pure: values in, values out. Health older than `STALE_S` says nothing about the present.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.console.views import SiteState
from gateway.model.alarm import Alarm, Severity
from gateway.model.health import CameraHealth, State
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.presence import Birth, BirthCamera, Presence

STALE_S = 180.0
"""Greatest age of health: three missed reports, and the message expiry of the contract."""

MAX_ALARMS = 1024
"""Most alarm keys that are held of one gateway."""

MAX_CAMERAS = 512
"""Most cameras of a gateway, as in its birth."""


MAX_INVALID = 64
"""Most topics of a gateway of which is held that their newest message was invalid."""


def site_key(province: str, gateway: str) -> str:
    """Return by what a site is known."""
    return f"{province}/{gateway}"


@dataclass(frozen=True, slots=True)
class ReceivedHealth:
    """Health of one camera, the stamp of its message, and when it was sent (monotonic)."""

    health: CameraHealth
    stamp: Stamp
    at_s: float


@dataclass(frozen=True, slots=True)
class ReceivedAlarm:
    """One alarm, the stamp of its message, and since when it is raised (monotonic)."""

    alarm: Alarm
    stamp: Stamp
    since_s: float


@dataclass(frozen=True, slots=True)
class Site:
    """Everything known of one site. Times are of the server's monotonic clock.

    Attributes:
        province: Two digits, from the topic.
        gateway: Gateway id.
        presence: The newest by epoch.
        since_s: When `presence` last changed between online and offline.
        birth: The newest by epoch and number.
        active_s: When the gateway last sent something about its present state.
        cameras: Health by camera id, the newest by stamp.
        alarms: By key, the newest by stamp; cleared ones too, so that a late raise is recognised.
        invalid: Last level of a topic -> what is wrong with the newest message there; none: all
            could be read.
    """

    province: str
    gateway: str
    presence: Presence | None = None
    since_s: float | None = None
    birth: Birth | None = None
    active_s: float | None = None
    cameras: Mapping[str, ReceivedHealth] = field(default_factory=lambda: MappingProxyType({}))
    alarms: Mapping[str, ReceivedAlarm] = field(default_factory=lambda: MappingProxyType({}))
    invalid: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> str:
        """Province and gateway id, ``24/bacninh-01``: a gateway id alone is anybody's to say."""
        return site_key(self.province, self.gateway)

    def with_invalid(self, topic: str, why: str) -> Site:
        """Return the site after a message on *topic* that could not be read; empty *why*: it could.

        At most `MAX_INVALID` topics are remembered.
        """
        if self.invalid.get(topic, "") == why:
            return self
        if why and topic not in self.invalid and len(self.invalid) >= MAX_INVALID:
            return self
        others = {key: said for key, said in self.invalid.items() if key != topic}
        if why:
            others[topic] = why
        return replace(self, invalid=MappingProxyType(others))

    def with_presence(self, presence: Presence, sent_s: float | None, *, live: bool) -> Site:
        """Return the site after *presence*, sent at *sent_s*, None if unknown.

        *live* means received as it was sent, not retained. An ``offline`` with an older epoch
        is the late will of an earlier connection and is ignored.
        """
        held = self.presence
        if held is not None and presence.epoch < held.epoch:
            return self
        same = held is not None and held.state == presence.state
        received = live and presence.state == "online"
        return replace(
            self,
            presence=presence,
            since_s=self.since_s if same else sent_s,
            active_s=sent_s if received else self.active_s,
        )

    def with_birth(self, birth: Birth, now_s: float, *, live: bool) -> Site:
        """Return the site after *birth*; cameras that it does not list are removed."""
        held = self.birth
        if held is not None and (birth.epoch, birth.number) < (held.epoch, held.number):
            return self
        listed = {camera.id for camera in birth.cameras}
        listed_health = {key: received for key, received in self.cameras.items() if key in listed}
        return replace(
            self,
            birth=birth,
            active_s=now_s if live else self.active_s,
            cameras=MappingProxyType(listed_health),
        )

    def with_cameras(self, stamp: Stamp, reports: tuple[CameraHealth, ...], at_s: float) -> Site:
        """Return the site after health sent at *at_s*; reports older than the known are ignored."""
        cameras = dict(self.cameras)
        for health in reports:
            held = cameras.get(health.id)
            if held is None and len(cameras) >= MAX_CAMERAS:
                continue
            if held is None or _order(held.stamp) <= _order(stamp):
                cameras[health.id] = ReceivedHealth(health, stamp, at_s)
        return replace(self, cameras=MappingProxyType(cameras)).with_activity(at_s)

    def with_alarm(self, stamp: Stamp, alarm: Alarm, at_s: float) -> Site:
        """Return the site after *alarm*, sent at *at_s*; ignored if older than the known one."""
        held = self.alarms.get(alarm.key)
        if held is not None and _order(stamp) < _order(held.stamp):
            return self
        if held is None and len(self.alarms) >= MAX_ALARMS:
            return self
        since_s = at_s - max(0, stamp.time_ms - alarm.since_ms) / 1000
        alarms = {**self.alarms, alarm.key: ReceivedAlarm(alarm, stamp, since_s)}
        return replace(self, alarms=MappingProxyType(alarms))

    def open_alarms(self) -> tuple[ReceivedAlarm, ...]:
        """Return the raised alarms, the most severe first, then the oldest.

        Alarms of an earlier connection do not count: each connection begins with all raised ones.
        """
        epoch = self.presence.epoch if self.presence is not None else 0
        raised = (
            each for each in self.alarms.values() if each.alarm.raised and each.stamp.epoch >= epoch
        )
        return tuple(
            sorted(raised, key=lambda each: (_SEVERITIES.index(each.alarm.severity), each.since_s))
        )

    def with_activity(self, at_s: float) -> Site:
        """Return the site after it has sent something about itself at *at_s*."""
        return replace(self, active_s=max(at_s, self.active_s or at_s))

    def camera_list(self) -> tuple[BirthCamera, ...]:
        """Return the cameras in the order of the birth; before it, those with known health."""
        if self.birth is not None:
            return self.birth.cameras
        return tuple(BirthCamera(id=key, name=key) for key in sorted(self.cameras))

    def state(self, now_s: float) -> SiteState:
        """Return the state of the site at *now_s*."""
        if self.presence is None:
            return "unk"
        if self.presence.state == "offline":
            return "off"
        return "on" if self.active_s is not None and now_s - self.active_s <= STALE_S else "unk"

    def camera_state(self, camera: str, now_s: float) -> State:
        """Return the state of *camera* at *now_s*; ``unk`` unless its site is ``on``."""
        received = self.cameras.get(camera)
        if received is None or self.state(now_s) != "on" or now_s - received.at_s > STALE_S:
            return "unk"
        return received.health.state

    def derived_states(self, now_s: float) -> tuple[str, ...]:
        """Return every state that depends on time; a different value later means a change."""
        cameras = (self.camera_state(key, now_s) for key in sorted(self.cameras))
        return (self.state(now_s), *cameras)


_SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor", "warning")


def _order(stamp: Stamp) -> tuple[int, int]:
    return stamp.epoch, stamp.number
