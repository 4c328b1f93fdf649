"""The sites as their gateways report them, bounded in number, and what has changed.

Handles messages on ``cgw/v1/+/+/up/#`` except signalling. Does no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.console.provinces import PROVINCES
from gateway.console.site_state import STALE_S, Site
from gateway.console.views import AlarmView, CameraView, SiteView
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.alarm import decode_alarm
from gateway.mqtt.payloads.health import (
    decode_camera_state,
    decode_cameras_health,
    decode_site_health,
)
from gateway.mqtt.payloads.presence import decode_birth, decode_presence
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
"""Most sites. Viet Nam has about 3,300 communes; invented names must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Change:
    """What browsers must be sent again.

    Attributes:
        gateway: Gateway id of the site, whose own fields are always sent.
        cameras: Ids of the cameras to send; None for all.
        gone: The site is to be removed from the page.
    """

    gateway: str
    cameras: frozenset[str] | None = None
    gone: bool = False


class SiteRegistry:
    """The sites by gateway id.

    Args:
        clock: Monotonic; judges ages.
        wall_ms: The server's wall clock, to show times and to date retained messages.
    """

    def __init__(self, *, clock: Clock, wall_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._wall_ms = wall_ms
        self._sites: dict[str, Site] = {}
        self._derived: dict[str, tuple[str, ...]] = {}

    def province_of(self, gateway: str) -> str | None:
        """Return the province code of *gateway*, or None if it is unknown."""
        site = self._sites.get(gateway)
        return None if site is None else site.province

    def is_offline(self, gateway: str) -> bool:
        """Return whether the presence of *gateway*, or its will, says offline."""
        site = self._sites.get(gateway)
        return site is not None and site.state(self._clock.now()) == "off"

    def apply_message(self, topic: ParsedTopic, message: InboundMessage) -> Change | None:
        """Apply *message* to its site; return what it changes on the page, None if nothing.

        Raises:
            MessageRejected: It does not follow the contract.
        """
        site = self._sites.get(topic.gateway)
        if site is None:
            if len(self._sites) >= MAX_SITES or not message.payload:
                return None
            site = Site(topic.province, topic.gateway)
        elif site.province != topic.province and site.state(self._clock.now()) == "on":
            return None  # one gateway id in two provinces: the connected one stays
        site = replace(site, province=topic.province)
        if not message.payload:
            return self._forget(topic)
        after = self._apply_payload(site, topic, message)
        if after is site and topic.gateway in self._sites:
            return None
        now_s = self._clock.now()
        self._sites[topic.gateway] = after
        self._derived[topic.gateway] = after.derived_states(now_s)
        if topic.spec is ALARM:
            return Change(topic.gateway, frozenset())
        state_changed = after.state(now_s) != site.state(now_s)
        sent = None if state_changed or topic.camera is None else frozenset({topic.camera})
        return Change(topic.gateway, sent)

    def sweep_stale(self) -> tuple[Change, ...]:
        """Return the sites whose state has changed since the last call by the passing of time."""
        now_s = self._clock.now()
        changes = []
        for gateway, site in self._sites.items():
            states = site.derived_states(now_s)
            if states != self._derived.get(gateway):
                self._derived[gateway] = states
                changes.append(Change(gateway))
        return tuple(changes)

    def gateways(self) -> Iterable[str]:
        """Return all gateway ids."""
        return tuple(self._sites)

    def view(self, change: Change) -> SiteView | None:
        """Return what to show for *change* now; None if the site has been removed."""
        site = self._sites.get(change.gateway)
        if site is None:
            return None
        now_s = self._clock.now()
        listed = site.camera_list()
        sent = [each for each in listed if change.cameras is None or each.id in change.cameras]
        return SiteView(
            gw=site.gateway,
            prov=site.province,
            province=PROVINCES.get(site.province, ""),
            name=(site.birth.name if site.birth else "") or site.gateway,
            st=site.state(now_s),
            why=site.presence.why if site.presence else "",
            since_ms=self._wall_of(site.since_s),
            ep=site.presence.epoch if site.presence else None,
            version=site.birth.version if site.birth else "",
            ids=tuple(each.id for each in listed),
            cams=tuple(self._camera(site, each.id, each.name, each.location) for each in sent),
            alarms=tuple(self._alarms(site)),
        )

    def _alarms(self, site: Site) -> Iterator[AlarmView]:
        """Yield the raised alarms whose parent alarm is not raised itself."""
        raised = site.open_alarms()
        keys = {each.alarm.key for each in raised}
        explained = Counter(each.alarm.parent for each in raised)
        for each in raised:
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

    def _camera(self, site: Site, camera: str, name: str, location: str) -> CameraView:
        received = site.cameras.get(camera)
        state = site.camera_state(camera, self._clock.now())
        if received is None:
            return CameraView(camera, name, location, state)
        health = received.health
        seen_ms = self._wall_of(received.at_s)
        if state != health.state:  # the report is too old to be true now
            return CameraView(camera, name, location, state, seen_ms=seen_ms)
        again_s = None if health.again_in_s is None else received.at_s + health.again_in_s
        sized = health.width and health.height
        return CameraView(
            id=camera,
            name=name,
            location=location,
            st=state,
            reason=health.reason,
            since_ms=self._wall_of(received.at_s - health.since_s),
            seen_ms=seen_ms,
            attempts=health.attempts,
            again_ms=self._wall_of(again_s),
            fps=health.fps,
            kbps=health.kbps,
            codec=health.codec,
            size=f"{health.width}x{health.height}" if sized else None,
            viewers=health.viewers,
        )

    def _apply_payload(self, site: Site, topic: ParsedTopic, message: InboundMessage) -> Site:
        now_s, live = self._clock.now(), not message.retain
        payload, kind = message.payload, message.content_type
        match topic.spec:
            case channel if channel is PRESENCE:
                presence = decode_presence(payload, kind)
                sent_s = self._sent_s(presence.time_ms, live=live)
                return site.with_presence(presence, sent_s, live=live)
            case channel if channel is BIRTH:
                return site.with_birth(decode_birth(payload, kind), now_s, live=live)
            case channel if channel is SITE_HEALTH:
                stamp, _ = decode_site_health(payload, kind)
                return site.with_activity(self._health_s(stamp, live=live))
            case channel if channel is CAMERAS_HEALTH:
                stamp, reports = decode_cameras_health(payload, kind)
                return site.with_cameras(stamp, reports, self._health_s(stamp, live=live))
            case channel if channel is CAMERA_STATE:
                stamp, one = decode_camera_state(payload, kind)
                at_s = self._sent_s(stamp.time_ms, live=live)
                return site if at_s is None else site.with_cameras(stamp, (one,), at_s)
            case channel if channel is ALARM:
                stamp, alarm = decode_alarm(payload, kind)
                return site.with_alarm(
                    stamp, alarm, self._sent_s(stamp.time_ms, live=live) or now_s
                )
        return site

    def _sent_s(self, time_ms: int | None, *, live: bool) -> float | None:
        """Return when a message was sent: now if *live*, else by its sender's clock (retained)."""
        now_s = self._clock.now()
        if live:
            return now_s
        return None if time_ms is None else now_s - max(0, self._wall_ms() - time_ms) / 1000

    def _health_s(self, stamp: Stamp, *, live: bool) -> float:
        """Return the same for health, which the broker retains for at most `STALE_S`."""
        sent_s = self._sent_s(stamp.time_ms, live=live)
        return max(self._clock.now() - STALE_S, sent_s or 0.0)

    def _forget(self, topic: ParsedTopic) -> Change | None:
        """Remove the site if *topic* is its presence: an empty retained message deletes it."""
        if topic.spec is not PRESENCE:
            return None
        self._sites.pop(topic.gateway, None)
        self._derived.pop(topic.gateway, None)
        return Change(topic.gateway, gone=True)

    def _wall_of(self, at_s: float | None) -> int | None:
        if at_s is None:
            return None
        return self._wall_ms() - round((self._clock.now() - at_s) * 1000)
