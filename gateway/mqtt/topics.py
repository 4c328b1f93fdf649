"""From a topic to what it means, and from what we have to say to its topic.

The tree itself stands in `gateway.mqtt.topic_tree`. Nothing here looks into payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.signalling import SessionKey
from gateway.mqtt.topic_tree import (
    ALARM,
    BIRTH,
    CAMERA_STATE,
    CAMERAS_HEALTH,
    CHANNELS,
    CONFIG_CONFIRM,
    CONFIG_DESIRED,
    CONFIG_REPORTED,
    CONTACTS,
    CONTROL,
    ECHO,
    EVENT,
    GATEWAY_SAYS,
    INVENTORY,
    INVENTORY_LOG,
    LEVELS,
    LOG,
    PRESENCE,
    REPLY,
    ROOT,
    SITE_HEALTH,
    VIEWER_SAYS,
    TopicSpec,
)
from gateway.ports import OutboundMessage

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _pattern(channel: TopicSpec) -> re.Pattern[str]:
    whole = channel.name
    if not whole.startswith(f"{CONTROL}/"):
        whole = f"{ROOT}/{{prov}}/{{gw}}/{whole}"
    return re.compile(_PLACEHOLDER.sub(lambda found: f"(?P<{found[1]}>{LEVELS[found[1]]})", whole))


_PATTERNS = tuple((channel, _pattern(channel)) for channel in CHANNELS)


@dataclass(frozen=True, slots=True)
class ParsedTopic:
    """What a topic says: whose it is and what it is about.

    Attributes:
        channel: The row of the tree.
        province: Two digits; empty for what the centre says to all.
        gateway: Gateway id; likewise.
        levels: Every other name of the row, e.g. ``{"cam": "c07"}``.
    """

    channel: TopicSpec
    province: str = ""
    gateway: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)

    @property
    def camera(self) -> str | None:
        """For a camera's state."""
        return self.levels.get("cam")

    @property
    def key(self) -> SessionKey | None:
        """For signalling."""
        if "viewer" not in self.levels:
            return None
        return SessionKey(self.levels["viewer"], self.levels["sid"])


def parse(topic: str) -> ParsedTopic | None:
    """Return what *topic* says, or None if it is not in the tree."""
    for channel, pattern in _PATTERNS:
        if match := pattern.fullmatch(topic):
            levels = match.groupdict()
            return ParsedTopic(channel, levels.pop("prov", ""), levels.pop("gw", ""), levels)
    return None


def is_journalled(topic: str) -> bool:
    """Whether a message on *topic* is acknowledged only once it has been noted on the disk."""
    place = parse(topic)
    return place is not None and place.channel.journalled


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway."""

    province: str
    gateway: str

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The filters the gateway subscribes to."""
        return (
            self._full("dn/#"),
            self.echo,
            f"{CONTROL}/state",
            f"{CONTROL}/bcast/all",
            f"{CONTROL}/bcast/prov-{self.province}",
        )

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

    @property
    def event(self) -> str:
        return self._full(EVENT.name)

    @property
    def contacts(self) -> str:
        return self._full(CONTACTS.name)

    @property
    def inventory_log(self) -> str:
        return self._full(INVENTORY_LOG.name)

    @property
    def config_reported(self) -> str:
        return self._full(CONFIG_REPORTED.name)

    @property
    def config_desired(self) -> str:
        return self._full(CONFIG_DESIRED.name)

    @property
    def config_confirm(self) -> str:
        return self._full(CONFIG_CONFIRM.name)

    @property
    def echo(self) -> str:
        return self._full(ECHO.name)

    @property
    def replies(self) -> str:
        """What every topic for answers begins with."""
        return self._full(REPLY.name.partition("{")[0])

    def camera_state(self, camera: str) -> str:
        return self._full(CAMERA_STATE.name.format(cam=camera))

    def alarm(self, key: str) -> str:
        return self._full(ALARM.name.format(key=key))

    def inventory(self, section: str) -> str:
        return self._full(INVENTORY[section].name)

    def log(self, stream: str) -> str:
        return self._full(LOG.name.format(stream=stream))

    def command(self, name: str) -> str:
        return self._full(f"dn/cmd/{name}")

    def viewer_says(self, key: SessionKey) -> str:
        return self._full(VIEWER_SAYS.name.format(viewer=key.viewer, sid=key.session))

    def gateway_says(self, key: SessionKey) -> str:
        return self._full(GATEWAY_SAYS.name.format(viewer=key.viewer, sid=key.session))

    def _full(self, rest: str) -> str:
        return f"{ROOT}/{self.province}/{self.gateway}/{rest}"


CENTRE_SUBSCRIPTIONS = (f"{ROOT}/+/+/up/#",)
"""The filters the centre's console subscribes to."""


def publication(
    channel: TopicSpec, topic: str, encoded: tuple[str, bytes], *, expiry_s: int | None = None
) -> OutboundMessage:
    """Return *sealed* (content type and payload) as *channel* is published on *topic*.

    *expiry_s* replaces the channel's own, for messages that know better.
    """
    content_type, payload = encoded
    return OutboundMessage(
        topic=topic,
        payload=payload,
        qos=channel.qos,
        retain=channel.retain,
        expiry_s=channel.expiry_s if expiry_s is None else expiry_s,
        path=channel.path,
        content_type=content_type,
        properties={"sv": channel.schema},
    )
