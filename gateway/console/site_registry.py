"""The sites as their gateways report them, bounded in number, and what has changed.

Handles messages on ``cgw/v1/+/+/up/#`` except signalling. Does no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from gateway.console.site_state import STALE_S, Site, site_key
from gateway.console.views import AlarmView, CameraView, SiteState, SiteView
from gateway.model.errors import Fault, refuse
from gateway.model.provinces import PROVINCES
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

log = structlog.get_logger(__name__)

MAX_SITES = 20_000
"""Most sites. Viet Nam has about 3,300 communes; invented names must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Change:
    """What browsers must be sent again.

    Attributes:
        site: Key of the site (`Site.key`), whose own fields are always sent.
        cameras: Ids of the cameras to send; None for all.
        gone: The site is to be removed from the page.
    """

    site: str
    cameras: frozenset[str] | None = None
    gone: bool = False


class SiteRegistry:
    """The sites by province and gateway id.

    Args:
        clock: Monotonic; judges ages.
        wall_ms: The server's wall clock, to show times and to date retained messages.
    """

    def __init__(self, *, clock: Clock, wall_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._wall_ms = wall_ms
        self._sites: dict[str, Site] = {}
        self._derived: dict[str, tuple[str, ...]] = {}
        self._not_shown: set[str] = set()

    def site_state(self, key: str) -> SiteState | None:
        """Return the state of the site *key* now; None if nothing has been heard of it."""
        site = self._sites.get(key)
        return None if site is None else site.state(self._clock.now())

    def apply_message(self, topic: ParsedTopic, message: InboundMessage) -> Change | None:
        """Apply *message* to its site; return what it changes on the page, None if nothing.

        Raises:
            MessageRejected: It does not follow the contract. The site then says so, and everything
                else of it stays; `reject` returns what that changes.
        """
        key = site_key(topic.province, topic.gateway)
        site = self._sites.get(key)
        if not message.payload:
            return self._forget(key, topic) if site else None
        if site is None:
            if len(self._sites) >= MAX_SITES:
                return None
            site = Site(topic.province, topic.gateway)
        after = self._apply_payload(site, topic, message).with_invalid(_place(topic), "")
        if after is site and key in self._sites:
            return None
        self._store(key, after)
        readable = after.invalid == site.invalid
        if topic.spec is ALARM and readable:
            return Change(key, frozenset())
        now_s = self._clock.now()
        state_changed = after.state(now_s) != site.state(now_s)
        sent = None if state_changed or topic.camera is None else frozenset({topic.camera})
        return Change(key, sent)

    def reject(self, topic: ParsedTopic, fault: Fault) -> Change | None:
        """Have the site of *topic* say that its message there is invalid, and return the change."""
        key = site_key(topic.province, topic.gateway)
        site = self._sites.get(key)
        if topic.spec not in SHOWN or (site is None and len(self._sites) >= MAX_SITES):
            return None
        before = site or Site(topic.province, topic.gateway)
        place = _place(topic)
        after = before.with_invalid(place, f"{place}: {fault.at} {fault.code}")
        if after is site:
            return None
        self._store(key, after)
        return Change(key, frozenset())

    def sweep_stale(self) -> tuple[Change, ...]:
        """Return the sites whose state has changed since the last call by the passing of time."""
        now_s = self._clock.now()
        changes = []
        for key, site in self._sites.items():
            states = site.derived_states(now_s)
            if states != self._derived.get(key):
                self._derived[key] = states
                changes.append(Change(key))
        return tuple(changes)

    def site_keys(self) -> tuple[str, ...]:
        """Return the keys of all sites."""
        return tuple(self._sites)

    def view(self, change: Change) -> SiteView | None:
        """Return what to show for *change* now; None if the site has been removed."""
        site = self._sites.get(change.site)
        if site is None:
            return None
        try:
            return self._view(site, change.cameras)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # A bug of ours, or a report that no bound has caught: it costs this site its row's
            # content, and no other site anything.
            if change.site not in self._not_shown:
                self._not_shown.add(change.site)
                log.exception("site_not_shown", site=change.site)
            return _bare_view(site, type(error).__name__)

    def _view(self, site: Site, cameras: frozenset[str] | None) -> SiteView:
        listed = site.camera_list()
        sent = [each for each in listed if cameras is None or each.id in cameras]
        return SiteView(
            gw=site.gateway,
            prov=site.province,
            province=PROVINCES.get(site.province, ""),
            name=(site.birth.name if site.birth else "") or site.gateway,
            st=site.state(self._clock.now()),
            why=site.presence.why if site.presence else "",
            since_ms=self._wall_of(site.since_s),
            ep=site.presence.epoch if site.presence else None,
            version=site.birth.version if site.birth else "",
            invalid=next(iter(site.invalid.values()), ""),
            ids=tuple(each.id for each in listed),
            cams=tuple(self._camera(site, each.id, each.name, each.location) for each in sent),
            alarms=tuple(self._alarms(site)),
        )

    def _store(self, key: str, site: Site) -> None:
        self._sites[key] = site
        self._derived[key] = site.derived_states(self._clock.now())

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
            advice=health.advice,
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
                _check_name(one.id, topic.camera, "/id")
                at_s = self._sent_s(stamp.time_ms, live=live)
                return site if at_s is None else site.with_cameras(stamp, (one,), at_s)
            case channel if channel is ALARM:
                stamp, alarm = decode_alarm(payload, kind)
                _check_name(alarm.key, topic.levels["key"], "/key")
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

    def _forget(self, key: str, topic: ParsedTopic) -> Change | None:
        """Remove the site if *topic* is its presence: an empty retained message deletes it.

        On another topic it deletes what was invalid there.
        """
        if topic.spec is PRESENCE:
            del self._sites[key]
            self._derived.pop(key, None)
            return Change(key, gone=True)
        site = self._sites[key].with_invalid(_place(topic), "")
        if site is self._sites[key]:
            return None
        self._store(key, site)
        return Change(key, frozenset())

    def _wall_of(self, at_s: float | None) -> int | None:
        if at_s is None:
            return None
        return self._wall_ms() - round((self._clock.now() - at_s) * 1000)


SHOWN = (PRESENCE, BIRTH, SITE_HEALTH, CAMERAS_HEALTH, CAMERA_STATE, ALARM)
"""What the page is made of."""


def _check_name(said: str, in_topic: str | None, at: str) -> None:
    if said != in_topic:
        refuse("name", "another name than in the topic", at)


def _place(topic: ParsedTopic) -> str:
    """Return what tells the topics of one site apart, e.g. ``birth`` or ``cam/c01/state``."""
    return topic.spec.name.removeprefix("up/").format(**topic.levels)


def _bare_view(site: Site, invalid: str) -> SiteView:
    """Return a view of *site* for which nothing is computed."""
    return SiteView(
        gw=site.gateway,
        prov=site.province,
        province=PROVINCES.get(site.province, ""),
        name=site.gateway,
        st="unk",
        why="",
        since_ms=None,
        ep=None,
        version="",
        invalid=invalid,
        ids=(),
        cams=(),
    )
