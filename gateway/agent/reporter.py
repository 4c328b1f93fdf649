"""Says how the site is: presence and birth at once, health every minute, changes when they come."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from gateway.health.host import Host
from gateway.health.report import camera_health, counts
from gateway.model.health import (
    CameraHealth,
    CameraSnapshot,
    LinkSample,
    Machine,
    RelaySample,
    SiteHealth,
)
from gateway.model.reasons import Reason
from gateway.mqtt import topics, wire_health, wire_site
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.topics import Topics
from gateway.mqtt.wire_site import Abilities
from gateway.ports import Bus, Clock, Publication

EVERY_S = 60.0
"""Health of site and cameras."""

LOOK_S = 1.0
"""How often the cameras are looked at for changes."""

CALM_S = 2.0
"""A camera that has just changed must stay so for this long before it is told; what flaps is
told by the minute."""


class Reporter:
    """Tells the centre about one site.

    Args:
        own: The gateway's topics.
        machine: What does not change.
        site: The site's name for people.
        abilities: What viewers can be offered.
        epochs: Numbers connections and messages.
        snapshots: Looks at the cameras.
        relay: Looks at the viewers.
        link: Looks at the way to the centre.
        host: Looks at the machine.
        bus: Where it goes.
    """

    def __init__(
        self,
        own: Topics,
        *,
        machine: Machine,
        site: str,
        abilities: Abilities,
        epochs: Epochs,
        snapshots: Callable[[], tuple[CameraSnapshot, ...]],
        relay: Callable[[], RelaySample],
        link: Callable[[], LinkSample],
        host: Host,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._own = own
        self._machine = machine
        self._site = site
        self._abilities = abilities
        self._epochs = epochs
        self._snapshots = snapshots
        self._relay = relay
        self._link = link
        self._host = host
        self._bus = bus
        self._clock = clock
        self._told: dict[str, tuple[object, ...]] = {}
        self._before: dict[str, CameraSnapshot] = {}
        self._before_s = clock.now()

    async def run(self) -> None:
        """Report until cancelled."""
        # Each gateway has a moment of its own in the minute, the same after every start.
        phase_s = zlib.crc32(self._own.gateway.encode()) % int(EVERY_S * 1000) / 1000
        due_s = self._clock.now() + phase_s
        while True:
            self._tell_changes()
            if self._clock.now() >= due_s:
                due_s += EVERY_S
                self._tell_health()
            await self._clock.sleep(LOOK_S)

    def will(self) -> Publication:
        """Begin a new epoch and return what the broker says when we vanish."""
        epoch = self._epochs.renew()
        return topics.publication(topics.PRESENCE, self._own.presence, wire_site.lost(epoch))

    def greeting(self) -> Iterator[Publication]:
        """Yield what is said first on each connection: that we are here, what we have."""
        online = wire_site.online(self._epochs.stamp(), self._machine)
        yield topics.publication(topics.PRESENCE, self._own.presence, online)
        cameras = self._snapshots()
        birth = wire_site.birth(
            self._epochs.stamp(),
            self._machine,
            site=self._site,
            cameras=cameras,
            abilities=self._abilities,
        )
        yield topics.publication(topics.BIRTH, self._own.birth, birth)
        self._told.clear()  # the broker may have lost what it retained
        for snapshot in cameras:
            self._told[snapshot.id] = _essence(snapshot)
            yield self._state(self._judged(snapshot))

    def farewell(self) -> Publication:
        """Return the last word before a clean disconnect."""
        offline = wire_site.offline(self._epochs.stamp(), "stopping")
        return topics.publication(topics.PRESENCE, self._own.presence, offline)

    def _tell_changes(self) -> None:
        if not self._bus.connected:
            return
        calm_s = self._clock.now() - CALM_S
        for snapshot in self._snapshots():
            essence = _essence(snapshot)
            if essence != self._told.get(snapshot.id) and snapshot.since_s <= calm_s:
                self._told[snapshot.id] = essence
                self._bus.post(self._state(self._judged(snapshot)))

    def _tell_health(self) -> None:
        now_s = self._clock.now()
        snapshots = self._snapshots()
        cameras = tuple(self._judged(snapshot) for snapshot in snapshots)
        self._before = {snapshot.id: snapshot for snapshot in snapshots}
        self._before_s = now_s
        site = SiteHealth(self._host.sample(), self._link(), self._relay(), counts(cameras))
        stamp = self._epochs.stamp
        for channel, topic, sealed in (
            (topics.SITE_HEALTH, self._own.site_health, wire_health.site_health(stamp(), site)),
            (
                topics.CAMERAS_HEALTH,
                self._own.cameras_health,
                wire_health.cameras_health(stamp(), cameras),
            ),
        ):
            self._bus.post(topics.publication(channel, topic, sealed))

    def _judged(self, snapshot: CameraSnapshot) -> CameraHealth:
        return camera_health(
            snapshot,
            at_s=self._clock.now(),
            before=self._before.get(snapshot.id),
            before_s=self._before_s,
        )

    def _state(self, camera: CameraHealth) -> Publication:
        sealed = wire_health.camera_state(self._epochs.stamp(), camera)
        return topics.publication(topics.CAMERA_STATE, self._own.camera_state(camera.id), sealed)


def _essence(snapshot: CameraSnapshot) -> tuple[Reason, str, int, int, object]:
    """Return what of a camera is worth telling at once."""
    return (
        snapshot.reason,
        snapshot.detail,
        snapshot.attempts,
        snapshot.viewers,
        snapshot.codec,
    )
