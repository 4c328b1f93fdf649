"""The topic tree: which topics there are, how each is published, and what an incoming one means.

One table for the code and for docs/mqtt.md; a test compares them. Nothing here looks into
payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.model.signalling import SessionKey
from gateway.ports import Publication

ROOT = "cgw/v1"
"""A breaking change becomes ``cgw/v2`` beside it."""

PLAIN, COMPRESSED = "application/json", "application/json+zlib"
"""The content types in use."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One row of the topic tree.

    Attributes:
        name: Below ``cgw/v1/{prov}/{gw}/``; ``{cam}``, ``{viewer}`` and ``{sid}`` stand for
            one level each.
        schema: User property ``sv`` of every message on it.
        retain: Whether the broker keeps the newest.
        expiry_s: MQTT message expiry; None: never.
        path: As `gateway.ports.Publication.path`.
        when: What makes a message, for people.
    """

    name: str
    schema: str
    when: str
    retain: bool = False
    expiry_s: int | None = None
    path: Literal["direct", "conflated"] = "direct"


PRESENCE = Channel("up/presence", "presence/1", "birth, will, clean shutdown", retain=True)
BIRTH = Channel("up/birth", "birth/1", "each connect; the list of cameras changes", retain=True)
SITE_HEALTH = Channel(
    "up/health/site",
    "health.site/1",
    "every 60 s",
    retain=True,
    expiry_s=180,
    path="conflated",
)
CAMERAS_HEALTH = Channel(
    "up/health/cams",
    "health.cams/1",
    "every 60 s",
    retain=True,
    expiry_s=180,
    path="conflated",
)
CAMERA_STATE = Channel(
    "up/cam/{cam}/state",
    "cam.state/1",
    "on change, after 1 s of calm; each connect",
    retain=True,
    path="conflated",
)
VIEWER_SAYS = Channel("dn/rtc/{viewer}/{sid}", "rtc/1", "offer, cand, extend, bye", expiry_s=15)
GATEWAY_SAYS = Channel(
    "up/rtc/{viewer}/{sid}", "rtc/1", "answer, cand, error, bye, stats", expiry_s=15
)

CHANNELS = (
    PRESENCE,
    BIRTH,
    SITE_HEALTH,
    CAMERAS_HEALTH,
    CAMERA_STATE,
    VIEWER_SAYS,
    GATEWAY_SAYS,
)
"""The whole tree as built."""

_LEVELS = {
    "prov": r"(?P<province>[0-9]{2})",
    "gw": r"(?P<gateway>(?!(?:up|dn)/)[a-z0-9-]{4,40})",
    "cam": r"(?P<camera>[a-z0-9]{1,16})",
    # Begins with v- so that a viewer can never pass for a province in the broker's ACL.
    "viewer": r"(?P<viewer>v-[a-z0-9-]{1,40})",
    "sid": r"(?P<session>[A-Za-z0-9-]{8,64})",
}
_PATTERNS = tuple(
    (
        channel,
        re.compile(f"{ROOT}/{{prov}}/{{gw}}/{channel.name}".format_map(_LEVELS)),
    )
    for channel in CHANNELS
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a topic says: whose it is and what it is about.

    Attributes:
        channel: The row of the tree.
        province: Two digits.
        gateway: Gateway id.
        camera: For a camera's state.
        key: For signalling.
    """

    channel: Channel
    province: str
    gateway: str
    camera: str | None = None
    key: SessionKey | None = None


def parse(topic: str) -> Place | None:
    """Return what *topic* says, or None if it is not in the tree."""
    for channel, pattern in _PATTERNS:
        match = pattern.fullmatch(topic)
        if match is None:
            continue
        found = match.groupdict()
        return Place(
            channel,
            found["province"],
            found["gateway"],
            camera=found.get("camera"),
            key=SessionKey(found["viewer"], found["session"]) if "viewer" in found else None,
        )
    return None


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway."""

    province: str
    gateway: str

    @property
    def inbox(self) -> tuple[str, ...]:
        """The filters the gateway subscribes to."""
        return (self._full("dn/rtc/+/+"),)

    @property
    def presence(self) -> str:
        return self._full(PRESENCE.name)

    @property
    def birth(self) -> str:
        return self._full(BIRTH.name)

    @property
    def site_health(self) -> str:
        return self._full(SITE_HEALTH.name)

    @property
    def cameras_health(self) -> str:
        return self._full(CAMERAS_HEALTH.name)

    def camera_state(self, camera: str) -> str:
        return self._full(CAMERA_STATE.name.format(cam=camera))

    def viewer_says(self, key: SessionKey) -> str:
        return self._full(VIEWER_SAYS.name.format(viewer=key.viewer, sid=key.session))

    def gateway_says(self, key: SessionKey) -> str:
        return self._full(GATEWAY_SAYS.name.format(viewer=key.viewer, sid=key.session))

    def _full(self, rest: str) -> str:
        return f"{ROOT}/{self.province}/{self.gateway}/{rest}"


CENTRE_INBOX = (f"{ROOT}/+/+/up/#",)
"""The filters the centre's console subscribes to."""


def publication(channel: Channel, topic: str, sealed: tuple[str, bytes]) -> Publication:
    """Return *sealed* (content type and payload) as *channel* is published on *topic*."""
    content_type, payload = sealed
    properties: Mapping[str, str] = {"sv": channel.schema}
    return Publication(
        topic=topic,
        payload=payload,
        qos=1,
        retain=channel.retain,
        expiry_s=channel.expiry_s,
        path=channel.path,
        content_type=content_type,
        properties=properties,
    )
