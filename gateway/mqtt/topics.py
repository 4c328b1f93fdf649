"""Parses topics, and builds the topics and messages of one gateway.

The tree itself is in `gateway.mqtt.topic_tree`. No payload is read here.
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
    CONFIG_CONFIRM,
    CONFIG_DESIRED,
    CONFIG_REPORTED,
    CONTACTS,
    CONTROL,
    DOCUMENT,
    DOCUMENT_ACK,
    ECHO,
    EVENT,
    GATEWAY_SIGNALLING,
    INVENTORY,
    INVENTORY_LOG,
    LEVELS,
    LOG,
    PRESENCE,
    REPLY,
    REVOCATION,
    ROOT,
    SITE_HEALTH,
    TOPIC_SPECS,
    UPDATE_REPORTED,
    VIEWER_SIGNALLING,
    TopicSpec,
)
from gateway.ports import OutboundMessage

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _pattern(spec: TopicSpec) -> re.Pattern[str]:
    full = spec.name
    if not full.startswith(f"{CONTROL}/"):
        full = f"{ROOT}/{{prov}}/{{gw}}/{full}"
    return re.compile(_PLACEHOLDER.sub(lambda found: f"(?P<{found[1]}>{LEVELS[found[1]]})", full))


_PATTERNS = tuple((channel, _pattern(channel)) for channel in TOPIC_SPECS)


@dataclass(frozen=True, slots=True)
class ParsedTopic:
    """A topic, taken apart.

    Attributes:
        spec: The row of the tree.
        province: Two digits; empty for what the centre publishes to all.
        gateway: Gateway id; likewise.
        levels: Every other name of the row, e.g. ``{"cam": "c07"}``.
    """

    spec: TopicSpec
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


def parse_topic(topic: str) -> ParsedTopic | None:
    """Return *topic* taken apart, or None if it is not in the tree."""
    for spec, pattern in _PATTERNS:
        if match := pattern.fullmatch(topic):
            levels = match.groupdict()
            return ParsedTopic(spec, levels.pop("prov", ""), levels.pop("gw", ""), levels)
    return None


def is_journalled(topic: str) -> bool:
    """Return whether a message on *topic* is acknowledged only once it is stored on the disk."""
    parsed = parse_topic(topic)
    return parsed is not None and parsed.spec.journalled


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
            REVOCATION.name,
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
    def document(self) -> str:
        return self._full(DOCUMENT.name)

    @property
    def document_ack(self) -> str:
        return self._full(DOCUMENT_ACK.name)

    @property
    def config_reported(self) -> str:
        return self._full(CONFIG_REPORTED.name)

    @property
    def update_reported(self) -> str:
        return self._full(UPDATE_REPORTED.name)

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
        """What every topic for replies begins with."""
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

    def viewer_signalling(self, key: SessionKey) -> str:
        return self._full(VIEWER_SIGNALLING.name.format(viewer=key.viewer, sid=key.session))

    def gateway_signalling(self, key: SessionKey) -> str:
        return self._full(GATEWAY_SIGNALLING.name.format(viewer=key.viewer, sid=key.session))

    def _full(self, rest: str) -> str:
        return f"{ROOT}/{self.province}/{self.gateway}/{rest}"


CENTRE_SUBSCRIPTIONS = (f"{ROOT}/+/+/up/#",)
"""The filters the centre's console subscribes to."""


def build_message(
    spec: TopicSpec, topic: str, encoded: tuple[str, bytes], *, expiry_s: int | None = None
) -> OutboundMessage:
    """Return *encoded* (content type and payload) as it is published on *topic*, a topic of *spec*.

    *expiry_s* replaces that of *spec*.
    """
    content_type, payload = encoded
    return OutboundMessage(
        topic=topic,
        payload=payload,
        qos=spec.qos,
        retain=spec.retain,
        expiry_s=spec.expiry_s if expiry_s is None else expiry_s,
        path=spec.path,
        content_type=content_type,
        properties={"sv": spec.schema},
    )
