"""What is held about one site, and how its state and its cameras' are judged from it.

Pure: values in, values out. Health that is older than `STALE_S` says nothing about now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.console.views import SiteState
from gateway.model.alarm import Alarm, Severity
from gateway.model.health import CameraHealth, State
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.presence import Birth, BirthCamera, Presence

STALE_S = 180.0
"""How old health may be: three messages missed, and the expiry of the contract."""

MAX_ALARMS = 1024
"""As many as a gateway can have, and as many keys as are remembered of one."""

MAX_CAMERAS = 512
"""As many as a birth may list."""


@dataclass(frozen=True, slots=True)
class ReceivedHealth:
    """One camera's health, with the stamp it came under and when, on our monotonic clock."""

    health: CameraHealth
    stamp: Stamp
    at_s: float


@dataclass(frozen=True, slots=True)
class ReceivedAlarm:
    """One alarm, with the stamp it came under and since when it stands, on our monotonic clock."""

    alarm: Alarm
    stamp: Stamp
    since_s: float


@dataclass(frozen=True, slots=True)
class Site:
    """Everything held about one site. Times are our monotonic clock.

    Attributes:
        province: Two digits, from the topic.
        gateway: Gateway id.
        presence: The newest by epoch.
        since_s: When `presence` last changed sides.
        birth: The newest by epoch and number.
        heard_s: When something was last said that tells about now.
        cameras: Health by camera id, the newest by stamp.
        alarms: By key, the newest by stamp; cleared ones too, so that an older raise is known.
    """

    province: str
    gateway: str
    presence: Presence | None = None
    since_s: float | None = None
    birth: Birth | None = None
    active_s: float | None = None
    cameras: Mapping[str, ReceivedHealth] = field(default_factory=lambda: MappingProxyType({}))
    alarms: Mapping[str, ReceivedAlarm] = field(default_factory=lambda: MappingProxyType({}))

    def with_presence(self, presence: Presence, said_s: float | None, *, live: bool) -> Site:
        """Return the record after *presence*, said at *said_s* if that is known.

        Only what is *live*, said now and not kept by the broker, tells about now.

        An ``offline`` of an older connection is a will that comes late: it says nothing about
        the connection that has followed.
        """
        held = self.presence
        if held is not None and presence.epoch < held.epoch:
            return self
        same = held is not None and held.state == presence.state
        heard = live and presence.state == "online"
        return replace(
            self,
            presence=presence,
            since_s=self.since_s if same else said_s,
            active_s=said_s if heard else self.active_s,
        )

    def with_birth(self, birth: Birth, now_s: float, *, live: bool) -> Site:
        """Return the record after *birth*; cameras it no longer lists are forgotten."""
        held = self.birth
        if held is not None and (birth.epoch, birth.number) < (held.epoch, held.number):
            return self
        listed = {camera.id for camera in birth.cameras}
        kept = {key: heard for key, heard in self.cameras.items() if key in listed}
        return replace(
            self,
            birth=birth,
            active_s=now_s if live else self.active_s,
            cameras=MappingProxyType(kept),
        )

    def with_cameras(self, stamp: Stamp, said: tuple[CameraHealth, ...], at_s: float) -> Site:
        """Return the record after health said at *at_s*; what is older than held is left out."""
        cameras = dict(self.cameras)
        for health in said:
            held = cameras.get(health.id)
            if held is None and len(cameras) >= MAX_CAMERAS:
                continue
            if held is None or _order(held.stamp) <= _order(stamp):
                cameras[health.id] = ReceivedHealth(health, stamp, at_s)
        return replace(self, cameras=MappingProxyType(cameras)).with_activity(at_s)

    def with_alarm(self, stamp: Stamp, alarm: Alarm, at_s: float) -> Site:
        """Return the record after *alarm*, said at *at_s*; what is older than held is left out."""
        held = self.alarms.get(alarm.key)
        if held is not None and _order(stamp) < _order(held.stamp):
            return self
        if held is None and len(self.alarms) >= MAX_ALARMS:
            return self
        since_s = at_s - max(0, stamp.time_ms - alarm.since_ms) / 1000
        alarms = {**self.alarms, alarm.key: ReceivedAlarm(alarm, stamp, since_s)}
        return replace(self, alarms=MappingProxyType(alarms))

    def open_alarms(self) -> tuple[ReceivedAlarm, ...]:
        """The alarms that stand, the worst and oldest first.

        One of an earlier connection counts for nothing: each begins with all that stand.
        """
        epoch = self.presence.epoch if self.presence is not None else 0
        standing = (
            each for each in self.alarms.values() if each.alarm.raised and each.stamp.epoch >= epoch
        )
        return tuple(
            sorted(standing, key=lambda each: (_WORST.index(each.alarm.severity), each.since_s))
        )

    def with_activity(self, at_s: float) -> Site:
        """Return the record after the site has said anything about itself at *at_s*."""
        return replace(self, active_s=max(at_s, self.active_s or at_s))

    def camera_list(self) -> tuple[BirthCamera, ...]:
        """The cameras in the gateway's order; before its birth, those that were heard of."""
        if self.birth is not None:
            return self.birth.cameras
        return tuple(BirthCamera(id=key, name=key) for key in sorted(self.cameras))

    def state(self, now_s: float) -> SiteState:
        """Judge the site."""
        if self.presence is None:
            return "unk"
        if self.presence.state == "offline":
            return "off"
        return "on" if self.active_s is not None and now_s - self.active_s <= STALE_S else "unk"

    def camera_state(self, camera: str, now_s: float) -> State:
        """Judge a camera: nothing is known of it while nothing is heard of its site."""
        heard = self.cameras.get(camera)
        if heard is None or self.state(now_s) != "on" or now_s - heard.at_s > STALE_S:
            return "unk"
        return heard.health.state

    def derived_states(self, now_s: float) -> tuple[str, ...]:
        """All that is judged by age; another value at another time means a change to show."""
        cameras = (self.camera_state(key, now_s) for key in sorted(self.cameras))
        return (self.state(now_s), *cameras)


_WORST: tuple[Severity, ...] = ("critical", "major", "minor", "warning")


def _order(stamp: Stamp) -> tuple[int, int]:
    return stamp.epoch, stamp.number
