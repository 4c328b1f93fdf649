"""The topic tree: one row for each topic, and how it is published.

docs/mqtt.md, the AsyncAPI document and the broker's access lists are written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.model.inventory import SECTIONS

ROOT = "cgw/v1"
"""Of topics that belong to one gateway. A breaking change becomes ``cgw/v2`` beside it."""

CONTROL = "ctl/v1"
"""Of what the centre publishes to all gateways."""

PLAIN, COMPRESSED = "application/json", "application/json+zlib"
"""The content types in use."""

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One row of the topic tree.

    Attributes:
        name: Below ``cgw/v1/{prov}/{gw}/``, or from ``ctl/`` on a whole topic; each name in
            braces stands for one level.
        schema: User property ``sv`` of every message on it.
        when: When a message is published, for people.
        retain: Whether the broker retains the newest.
        expiry_s: MQTT message expiry; None: never, or as the message itself says.
        path: ``direct`` and ``conflated`` as `gateway.ports.OutboundMessage.path`; ``outbox`` is
            stored on the disk until the broker has acknowledged it.
        qos: 2 is used nowhere.
        journalled: Whether a message is acknowledged only once it is stored on the disk.
    """

    name: str
    schema: str
    when: str
    retain: bool = False
    expiry_s: int | None = None
    path: Literal["direct", "conflated", "outbox"] = "direct"
    qos: Literal[0, 1] = 1
    journalled: bool = False


PRESENCE = TopicSpec("up/presence", "presence/1", "birth, will, clean shutdown", retain=True)
BIRTH = TopicSpec("up/birth", "birth/1", "each connect; its cameras or digests change", retain=True)
SITE_HEALTH = TopicSpec(
    "up/health/site", "health.site/1", "every 60 s", retain=True, expiry_s=180, path="conflated"
)
CAMERAS_HEALTH = TopicSpec(
    "up/health/cams", "health.cams/1", "every 60 s", retain=True, expiry_s=180, path="conflated"
)
CAMERA_STATE = TopicSpec(
    "up/cam/{cam}/state",
    "cam.state/1",
    "on change, after 1 s of calm; each connect",
    retain=True,
    path="conflated",
)
ALARM = TopicSpec(
    "up/alarm/{key}",
    "alarm/1",
    "raised, changed, cleared; open ones on each connect; 7 days once cleared",
    retain=True,
    path="conflated",
)
EVENT = TopicSpec("up/event", "event/1", "every transition, audit record and gap", path="outbox")
INVENTORY = {
    section: TopicSpec(
        f"up/inv/{section}",
        f"inv.{section}/1",
        "once per start; on change; on request",
        retain=True,
        path="conflated",
    )
    for section in SECTIONS
}
"""Section -> its row: each is another kind of payload."""

CONTACTS = TopicSpec(
    "up/inv/contacts",
    "inv.contacts/1",
    "on request; only where opted in",
    expiry_s=300,  # personal: does not wait at the broker for a reader who is away
)
INVENTORY_LOG = TopicSpec("up/inv/log", "inv.log/1", "one record for each change", path="outbox")
CONFIG_REPORTED = TopicSpec(
    "up/config/reported", "config.reported/1", "each step of a configuration", retain=True
)
UPDATE_REPORTED = TopicSpec(
    "up/update/reported", "update.reported/1", "each step of an update", retain=True
)
REPLY = TopicSpec("up/rsp/{requester}/{cid}", "rsp/1", "accepted, running, final", expiry_s=300)
LOG = TopicSpec("up/log/{stream}", "log/1", "while a log is being followed", expiry_s=30, qos=0)
ECHO = TopicSpec("up/echo", "echo/1", "every 90 s, to ourselves", expiry_s=30)
DOCUMENT = TopicSpec(
    "up/doc", "doc/1", "a monthly document: its head, then its pieces", path="outbox"
)
GATEWAY_SIGNALLING = TopicSpec(
    "up/rtc/{viewer}/{sid}", "rtc.gateway/1", "answer, error, bye, stats", expiry_s=15
)

CONFIG_DESIRED = TopicSpec(
    "dn/config/desired", "config.desired/1", "the whole signed document", retain=True
)
CONFIG_CONFIRM = TopicSpec("dn/config/confirm", "config.confirm/1", "confirm, cancel or extend")
COMMAND = TopicSpec("dn/cmd/{name}", "cmd/1", "a command; expires when it says", journalled=True)
DOCUMENT_ACK = TopicSpec("dn/doc", "doc.ack/1", "what the centre has of a document; signed")
VIEWER_SIGNALLING = TopicSpec(
    "dn/rtc/{viewer}/{sid}", "rtc.viewer/1", "offer, cand, extend, bye", expiry_s=15
)

CENTRE_STATE = TopicSpec("ctl/v1/state", "centre/1", "birth and will of the centre", retain=True)
BROADCAST = TopicSpec(
    "ctl/v1/bcast/{group}", "bcast/1", "to all, or to prov-NN: rebirth", expiry_s=300
)
REVOCATION = TopicSpec(
    "ctl/v1/viewing/revoked",
    "viewing.revoked/1",
    "who may no longer watch: the whole list, signed",
    retain=True,
)
SCHEMA = TopicSpec(
    "ctl/v1/schema/{name}/{ver}", "schema/1", "a JSON Schema, if the centre says it", retain=True
)

TOPIC_SPECS = (
    PRESENCE,
    BIRTH,
    SITE_HEALTH,
    CAMERAS_HEALTH,
    CAMERA_STATE,
    ALARM,
    EVENT,
    CONTACTS,
    INVENTORY_LOG,
    *INVENTORY.values(),
    CONFIG_REPORTED,
    UPDATE_REPORTED,
    REPLY,
    LOG,
    ECHO,
    DOCUMENT,
    GATEWAY_SIGNALLING,
    CONFIG_DESIRED,
    CONFIG_CONFIRM,
    COMMAND,
    DOCUMENT_ACK,
    VIEWER_SIGNALLING,
    CENTRE_STATE,
    BROADCAST,
    REVOCATION,
    SCHEMA,
)
"""The whole tree, in the order in which a topic is looked for."""

LEVELS = {
    "prov": r"[0-9]{2}",
    "gw": r"(?!(?:up|dn)/)[a-z0-9-]{4,40}",
    "cam": r"[a-z0-9]{1,16}",
    # Begins with v- so that a viewer can never pass for a province in the broker's ACL.
    "viewer": r"v-[a-z0-9-]{1,40}",
    "sid": r"[A-Za-z0-9-]{8,64}",
    "key": r"[a-z0-9.-]{1,64}",
    "requester": r"[a-z0-9-]{1,40}",
    "cid": r"[A-Za-z0-9-]{1,64}",
    "stream": r"[a-z0-9-]{1,40}",
    "name": r"[a-z0-9.]{1,40}",
    "group": r"all|prov-[0-9]{2}",
    "ver": r"[0-9]{1,4}",
}
"""What may stand for each name in braces, as a regular expression."""
