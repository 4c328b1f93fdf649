"""The register of sites: what their gateways have said, bounded, and what has changed.

Takes what arrives on ``cgw/v1/+/+/up/#`` except signalling. Does no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.console.provinces import PROVINCES
from gateway.console.site_state import STALE_S, Site
from gateway.console.views import AlarmView, CameraView, SiteView
from gateway.mqtt.payloads.alarm import read_alarm
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.health import read_camera_state, read_cameras_health, read_site_health
from gateway.mqtt.payloads.presence import read_birth, read_presence
from gateway.mqtt.topic_tree import (
    ALARM,
    BIRTH,
    CAMERA_STATE,
    CAMERAS_HEALTH,
    PRESENCE,
    SITE_HEALTH,
)
from gateway.mqtt.topics import ParsedTopic
from gateway.ports import Clock, InboundMessage

MAX_SITES = 20_000
"""Viet Nam has about 3,300 communes; a flood of invented names must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Change:
    """What must be told anew.

    Attributes:
        gateway: Whose site; its head is always told.
        cameras: Which of its cameras; None: all.
        gone: Whether the site is to be taken off the page.
    """

    gateway: str
    cameras: frozenset[str] | None = None
    gone: bool = False


class SiteRegistry:
    """Holds the sites by gateway id.

    Args:
        clock: Monotonic; judges ages.
        wall_ms: The server's wall clock, for showing and for the age of kept messages.
    """

    def __init__(self, *, clock: Clock, wall_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._wall_ms = wall_ms
        self._sites: dict[str, Site] = {}
        self._derived: dict[str, tuple[str, ...]] = {}

    def province_of(self, gateway: str) -> str | None:
        """Return where *gateway* is at home, or None if nothing is known of it."""
        record = self._sites.get(gateway)
        return None if record is None else record.province

    def is_offline(self, gateway: str) -> bool:
        """Whether *gateway* has said, or its will has, that it is not connected."""
        record = self._sites.get(gateway)
        return record is not None and record.state(self._clock.now()) == "off"

    def apply_message(self, topic: ParsedTopic, message: InboundMessage) -> Change | None:
        """Note what *letter* says; return what it changes on the page.

        Raises:
            MessageRejected: It cannot be read.
        """
        record = self._sites.get(topic.gateway)
        if record is None:
            if len(self._sites) >= MAX_SITES or not message.payload:
                return None
            record = Site(topic.province, topic.gateway)
        elif record.province != topic.province and record.state(self._clock.now()) == "on":
            return None  # one name in two provinces: the one we hear stays
        record = replace(record, province=topic.province)
        if not message.payload:
            return self._forget(topic)
        after = self._apply_payload(record, topic, message)
        if after is record and topic.gateway in self._sites:
            return None
        now_s = self._clock.now()
        self._sites[topic.gateway] = after
        self._derived[topic.gateway] = after.derived_states(now_s)
        if topic.channel is ALARM:
            return Change(topic.gateway, frozenset())
        turned = after.state(now_s) != record.state(now_s)
        told = None if turned or topic.camera is None else frozenset({topic.camera})
        return Change(topic.gateway, told)

    def sweep_stale(self) -> tuple[Change, ...]:
        """Return what has changed by nothing but time since the last look."""
        now_s = self._clock.now()
        changes = []
        for gateway, record in self._sites.items():
            judgement = record.derived_states(now_s)
            if judgement != self._derived.get(gateway):
                self._derived[gateway] = judgement
                changes.append(Change(gateway))
        return tuple(changes)

    def gateways(self) -> Iterable[str]:
        """All gateway ids."""
        return tuple(self._sites)

    def view(self, change: Change) -> SiteView | None:
        """Return what to show for *change* as things are now; None if the site is gone."""
        record = self._sites.get(change.gateway)
        if record is None:
            return None
        now_s = self._clock.now()
        listed = record.camera_list()
        told = [each for each in listed if change.cameras is None or each.id in change.cameras]
        return SiteView(
            gw=record.gateway,
            prov=record.province,
            province=PROVINCES.get(record.province, ""),
            name=(record.birth.name if record.birth else "") or record.gateway,
            st=record.state(now_s),
            why=record.presence.why if record.presence else "",
            since_ms=self._wall_of(record.since_s),
            ep=record.presence.epoch if record.presence else None,
            version=record.birth.version if record.birth else "",
            ids=tuple(each.id for each in listed),
            cams=tuple(self._camera(record, each.id, each.name, each.location) for each in told),
            alarms=tuple(self._alarms(record)),
        )

    def _alarms(self, record: Site) -> Iterator[AlarmView]:
        """Yield what stands and is not explained; of what stands nowhere nothing is explained."""
        standing = record.open_alarms()
        keys = {each.alarm.key for each in standing}
        explained = Counter(each.alarm.parent for each in standing)
        for each in standing:
            alarm = each.alarm
            if alarm.parent not in keys:
                yield AlarmView(
                    key=alarm.key,
                    sev=alarm.severity,
                    reason=alarm.cause,
                    since_ms=self._wall_of(each.since_s),
                    args=alarm.arguments,
                    flap=alarm.flapping,
                    explains=explained[alarm.key],
                )

    def _camera(self, record: Site, camera: str, name: str, location: str) -> CameraView:
        heard = record.cameras.get(camera)
        state = record.camera_state(camera, self._clock.now())
        if heard is None:
            return CameraView(camera, name, location, state)
        health = heard.health
        seen_ms = self._wall_of(heard.at_s)
        if state != health.state:  # what was said of it says nothing about now
            return CameraView(camera, name, location, state, seen_ms=seen_ms)
        again_s = None if health.again_in_s is None else heard.at_s + health.again_in_s
        sized = health.width and health.height
        return CameraView(
            id=camera,
            name=name,
            location=location,
            st=state,
            reason=health.reason,
            since_ms=self._wall_of(heard.at_s - health.since_s),
            seen_ms=seen_ms,
            attempts=health.attempts,
            again_ms=self._wall_of(again_s),
            fps=health.fps,
            kbps=health.kbps,
            codec=health.codec,
            size=f"{health.width}x{health.height}" if sized else None,
            viewers=health.viewers,
        )

    def _apply_payload(self, record: Site, topic: ParsedTopic, message: InboundMessage) -> Site:
        now_s, live = self._clock.now(), not message.retain
        payload, kind = message.payload, message.content_type
        match topic.channel:
            case channel if channel is PRESENCE:
                presence = read_presence(payload, kind)
                said_s = self._said_s(presence.time_ms, live=live)
                return record.with_presence(presence, said_s, live=live)
            case channel if channel is BIRTH:
                return record.with_birth(read_birth(payload, kind), now_s, live=live)
            case channel if channel is SITE_HEALTH:
                stamp, _ = read_site_health(payload, kind)
                return record.with_activity(self._health_s(stamp, live=live))
            case channel if channel is CAMERAS_HEALTH:
                stamp, said = read_cameras_health(payload, kind)
                return record.with_cameras(stamp, said, self._health_s(stamp, live=live))
            case channel if channel is CAMERA_STATE:
                stamp, one = read_camera_state(payload, kind)
                at_s = self._said_s(stamp.time_ms, live=live)
                return record if at_s is None else record.with_cameras(stamp, (one,), at_s)
            case channel if channel is ALARM:
                stamp, alarm = read_alarm(payload, kind)
                return record.with_alarm(
                    stamp, alarm, self._said_s(stamp.time_ms, live=live) or now_s
                )
        return record

    def _said_s(self, time_ms: int | None, *, live: bool) -> float | None:
        """When a message was said: now; if the broker had kept it, as its sender's clock says."""
        now_s = self._clock.now()
        if live:
            return now_s
        return None if time_ms is None else now_s - max(0, self._wall_ms() - time_ms) / 1000

    def _health_s(self, stamp: Stamp, *, live: bool) -> float:
        """The same for health, which the broker does not keep longer than `STALE_S`."""
        said_s = self._said_s(stamp.time_ms, live=live)
        return max(self._clock.now() - STALE_S, said_s or 0.0)

    def _forget(self, topic: ParsedTopic) -> Change | None:
        """An empty kept message takes the site away, if it is its presence."""
        if topic.channel is not PRESENCE:
            return None
        self._sites.pop(topic.gateway, None)
        self._derived.pop(topic.gateway, None)
        return Change(topic.gateway, gone=True)

    def _wall_of(self, at_s: float | None) -> int | None:
        if at_s is None:
            return None
        return self._wall_ms() - round((self._clock.now() - at_s) * 1000)
