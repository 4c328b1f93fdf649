"""Sends presence, birth, health once a minute, and changes of cameras as soon as they have settled.

What is measured is in `health`, how it is encoded in `mqtt.payloads`; this module decides when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gateway.health.camera_health import counts_of, health_of, visible_change
from gateway.model.health import (
    CameraCounts,
    CameraHealth,
    CameraSnapshot,
    ChildDeaths,
    HostSample,
    LinkSample,
    Machine,
    RelaySample,
    SiteHealth,
    TranscodingSample,
)
from gateway.mqtt import topic_tree
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.payloads import health as health_payload
from gateway.mqtt.payloads import presence as presence_payload
from gateway.mqtt.topic_tree import TopicSpec
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Bus, Clock, OutboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms
from gateway.runtime.spread import phase_s

EVERY_S = 60.0
"""Between two health reports."""

CALM_S = 1.0
"""How long a change must last before it is sent; a stream that starts passes through several states
within a second."""

CHECK_S = 0.5
"""Between two reads of the change key."""

LOSSES_S = 5.0
"""Between two evaluations that find losses, which the change key does not show."""

SETTLE_S = 10.0
"""A camera that never settles is sent this often all the same."""

_IntervalStart = tuple[float, tuple[CameraSnapshot, ...]]


class Reporter:
    """Reports the state of the gateway and its cameras to the centre.

    Args:
        topics: Of this gateway.
        machine: What it runs on.
        site: Returns its name for people.
        capabilities: What viewers can be offered.
        epochs: Numbers connections and messages.
        snapshots: Returns the cameras as they are now.
        relay: Returns what is sent to viewers now.
        transcoding: Returns what is transcoded now.
        deaths: Returns how many child processes have died.
        link: Returns the counters of the connection.
        host: Returns the newest sample of the machine.
        bus: Publishes the reports.
        clock: Monotonic.
        status: Returns what else the birth says, e.g. the inventory's digests.
        centre_online: Whether the centre is there; if not, the cameras' health is not sent.
        change_key: Returns a value that is equal to the last one while nothing but losses is new;
            the default, `object`, is never equal.
        leaving: Returns why the gateway stops, and after how many seconds it is back, if it is.
        every_s: Between two health reports.
    """

    def __init__(
        self,
        topics: Topics,
        *,
        machine: Machine,
        site: Callable[[], str],
        capabilities: presence_payload.Capabilities,
        epochs: Epochs,
        snapshots: Callable[[], tuple[CameraSnapshot, ...]],
        relay: Callable[[], RelaySample],
        transcoding: Callable[[], TranscodingSample] = TranscodingSample,
        deaths: Callable[[], ChildDeaths] = ChildDeaths,
        link: Callable[[], LinkSample],
        host: Callable[[], HostSample],
        bus: Bus,
        clock: Clock,
        status: Callable[[], presence_payload.BirthStatus] = presence_payload.BirthStatus,
        centre_online: Callable[[], bool] = lambda: True,
        change_key: Callable[[], object] = object,
        leaving: Callable[[], tuple[str, int | None]] = lambda: ("stopping", None),
        every_s: float = EVERY_S,
    ) -> None:
        self._topics = topics
        self._machine = machine
        self._site = site
        self._capabilities = capabilities
        self._epochs = epochs
        self._snapshots = snapshots
        self._relay = relay
        self._transcoding = transcoding
        self._deaths = deaths
        self._link = link
        self._host = host
        self._bus = bus
        self._clock = clock
        self._status = status
        self._centre_online = centre_online
        self._change_key = change_key
        # The last change key, and until when it need not be checked for losses.
        self._last_change: tuple[object, float] = (None, 0.0)
        self._leaving = leaving
        self._every_s = every_s
        self._before: _IntervalStart = (clock.now(), snapshots())
        self._published: dict[str, CameraHealth] = {}
        self._unsettled: dict[str, tuple[CameraHealth, float, float]] = {}
        self._listed = _list_of(self._before[1])
        self._digests = status().digests

    def will(self) -> OutboundMessage:
        """Return the will of the next connection. Begins an epoch; writes to the disk."""
        return self._presence_message(presence_payload.encode_will(self._epochs.advance()))

    def greeting(self) -> Iterator[OutboundMessage]:
        """Yield what a connection begins with: all that is retained, in this epoch."""
        yield self._presence_message(
            presence_payload.encode_online(self._epochs.stamp(), self._machine)
        )
        yield self._birth_message()
        yield from self._health_messages()
        for camera in self._health(self._snapshots()):
            yield self._state_message(camera)

    def messages_of(self, sections: Iterable[str]) -> Iterator[OutboundMessage]:
        """Yield the messages of *sections*: presence, birth, health, state; others are ignored."""
        asked = frozenset(sections)
        if "presence" in asked:
            yield self._presence_message(
                presence_payload.encode_online(self._epochs.stamp(), self._machine)
            )
        if "birth" in asked:
            yield self._birth_message()
        if "health" in asked:
            yield from self._health_messages()
        if "state" in asked:
            yield from map(self._state_message, self._health(self._snapshots()))

    def farewell(self) -> OutboundMessage:
        """Return the message that is sent before an orderly disconnect."""
        return self._presence_message(
            presence_payload.encode_offline(self._epochs.stamp(), *self._leaving())
        )

    def counts(self) -> CameraCounts:
        """Return how many cameras are in each state now."""
        return counts_of(self._health(self._snapshots()))

    def health_line(self) -> str:
        """Return the health of the site and its cameras now, for whoever asks on this machine."""
        cameras, stamp = self._health(self._snapshots()), self._epochs.stamp()
        return health_payload.health_line(
            health_payload.encode_site_health(stamp, self._site_health(cameras)),
            health_payload.encode_cameras_health(stamp, cameras),
        )

    async def run(self) -> None:
        """Report until cancelled."""
        due_s = self._clock.now() + phase_s(self._topics.gateway, self._every_s)
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                self._publish_changes()
                if self._clock.now() >= due_s:
                    due_s += self._every_s
                    for report in self._health_messages():
                        self._bus.publish(report)
                    self._before = (self._clock.now(), self._snapshots())
            except Exception as error:  # ends this report only
                report_bug("report", error, "health")

    def _publish_changes(self) -> None:
        """Publish changes that have settled; nothing while disconnected."""
        if not self._bus.connected or self._is_unchanged():
            return
        cameras = self._snapshots()
        listed = _list_of(cameras)
        digests = self._status().digests
        if listed != self._listed or digests != self._digests:
            self._digests = digests
            self._bus.publish(self._birth_message())
            self._forget(self._listed.keys() - listed.keys())
            self._listed = listed
        now_s = self._clock.now()
        for camera in self._health(cameras):
            if self._is_settled(camera, now_s):
                self._bus.publish(self._state_message(camera))

    def _is_unchanged(self) -> bool:
        """Whether nothing can have changed, as the change key shows."""
        key, now_s, (before, until_s) = self._change_key(), self._clock.now(), self._last_change
        if key == before and not self._unsettled and now_s < until_s:
            return True
        self._last_change = (key, now_s + LOSSES_S)
        return False

    def _is_settled(self, camera: CameraHealth, now_s: float) -> bool:
        """Whether *camera* differs from what was published, and has been so for `CALM_S`."""
        published = self._published.get(camera.id)
        if published is not None and not visible_change(camera, published):
            self._unsettled.pop(camera.id, None)
            return False
        last, calm_since_s, since_s = self._unsettled.get(camera.id, (camera, now_s, now_s))
        if visible_change(camera, last):
            calm_since_s = now_s
        self._unsettled[camera.id] = (camera, calm_since_s, since_s)
        return now_s - calm_since_s >= CALM_S or now_s - since_s >= SETTLE_S

    def _forget(self, cameras: set[str]) -> None:
        """Delete what the broker retains of *cameras* that are no longer configured."""
        for camera in cameras:
            self._published.pop(camera, None)
            self._unsettled.pop(camera, None)
            topic = self._topics.camera_state(camera)
            self._bus.publish(OutboundMessage(topic, b"", retain=True, path="conflated"))

    def _health(self, cameras: Iterable[CameraSnapshot]) -> tuple[CameraHealth, ...]:
        now_s = self._clock.now()
        before_s, before = self._before
        earlier = {camera.id: camera for camera in before}
        wall_s = now_ms() / 1000
        return tuple(
            health_of(camera, now_s, earlier.get(camera.id), before_s, wall_s=wall_s)
            for camera in cameras
        )

    def _health_messages(self) -> Iterator[OutboundMessage]:
        cameras = self._health(self._snapshots())
        site = self._site_health(cameras)
        yield build_message(
            topic_tree.SITE_HEALTH,
            self._topics.site_health,
            health_payload.encode_site_health(self._epochs.stamp(), site),
        )
        if not self._centre_online():
            return
        yield build_message(
            topic_tree.CAMERAS_HEALTH,
            self._topics.cameras_health,
            health_payload.encode_cameras_health(self._epochs.stamp(), cameras),
        )

    def _site_health(self, cameras: Iterable[CameraHealth]) -> SiteHealth:
        return SiteHealth(
            host=self._host(),
            link=self._link(),
            relay=self._relay(),
            transcoding=self._transcoding(),
            deaths=self._deaths(),
            cameras=counts_of(cameras),
        )

    def _state_message(self, camera: CameraHealth) -> OutboundMessage:
        self._published[camera.id] = camera
        self._unsettled.pop(camera.id, None)
        encoded = health_payload.encode_camera_state(self._epochs.stamp(), camera)
        return build_message(topic_tree.CAMERA_STATE, self._topics.camera_state(camera.id), encoded)

    def _birth_message(self) -> OutboundMessage:
        encoded = presence_payload.encode_birth(
            self._epochs.stamp(),
            self._machine,
            site=self._site(),
            cameras=self._snapshots(),
            capabilities=self._capabilities,
            status=self._status(),
        )
        return build_message(topic_tree.BIRTH, self._topics.birth, encoded)

    def _presence_message(self, encoded: presence_payload.EncodedPayload) -> OutboundMessage:
        channel: TopicSpec = topic_tree.PRESENCE
        return build_message(channel, self._topics.presence, encoded)


def _list_of(cameras: tuple[CameraSnapshot, ...]) -> dict[str, tuple[object, ...]]:
    """Return what the birth lists of *cameras*: a change of it is a new birth."""
    return {each.id: (each.name, each.location, each.profiles) for each in cameras}
