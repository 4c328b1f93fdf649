"""One example of every payload, as the code writes it; docs/mqtt.md shows them byte for byte."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from gateway.inventory.diff import digest as stock_digest
from gateway.inventory.sections import build_inventory
from gateway.model.alarm import Alarm
from gateway.model.contacts import ContactConfig, Contacts
from gateway.model.errors import Fault
from gateway.model.event import Event
from gateway.model.health import CameraSnapshot
from gateway.model.inventory import Change
from gateway.model.names import ulid_ms
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Extend,
    Offer,
    Refusal,
    RemoteCandidate,
    SessionStats,
)
from gateway.mqtt import topic_tree
from gateway.mqtt.payloads import document as document_payload
from gateway.mqtt.payloads import event as event_payload
from gateway.mqtt.payloads import health as health_payload
from gateway.mqtt.payloads import inventory as inventory_payload
from gateway.mqtt.payloads import presence as presence_payload
from gateway.mqtt.payloads.alarm import encode_alarm
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.command import Reply, encode_log_lines, encode_reply
from gateway.mqtt.payloads.config import (
    Reported,
    encode_reported,
    reported_faults,
)
from gateway.mqtt.payloads.presence import EncodedPayload
from gateway.mqtt.payloads.signalling import encode_gateway_message, encode_viewer_message
from gateway.mqtt.payloads.update import UpdateReported, encode_update_reported
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN
from tests.fixtures.inventory import RECORDER, sources
from tests.fixtures.reports import CAMERA, KEY, MACHINE, SITE, STAMP, TROUBLED

COUNTER = CameraSnapshot("c07", "Quầy 7", True, Reason.OK, 0.0, "Tầng 1", ("main", "sub"))
ABILITIES = presence_payload.Capabilities(
    rtc=presence_payload.RtcCapabilities(codecs=("h264", "h265"), max_sessions=32)
)
STANDING = presence_payload.BirthStatus(
    digests={"cfg": "9f2b6c01d4", "cams": "77aa31c0be"},
    outbox=presence_payload.BirthOutbox(pending=3, oldest_s=41.5),
    certificate=presence_payload.BirthCertificate(serial="4a11", not_after="2027-05-01T00:00:00Z"),
)
ULID = "01KATBZ0B3Y7QZ6N9X0V5T2M4R"
SHA = "9f2b6c01d4" + "0" * 54
MARK = event_payload.EventStamp(ULID, 5121, STAMP.epoch, STAMP.time_ms, 864_321.2)
ALARM = Alarm(
    key="cam.c07.down",
    id=ULID,
    raised=True,
    severity="major",
    since_ms=1_763_999_955_000,
    cause=Reason.TIMEOUT,
    arguments={"cam": "c07"},
)
RAISED = {
    "key": ALARM.key,
    "act": "raise",
    "alarm": ALARM.id,
    "cause": ALARM.cause.value,
    "sev": ALARM.severity,
    "since": ALARM.since_ms,
}


def _event(
    kind: str, facts: Mapping[str, Any], mark: event_payload.EventStamp = MARK
) -> EncodedPayload:
    return event_payload.encode_for_sending(
        event_payload.encode_record(Event(kind, facts), mark), late=False, shift_ms=0
    )


_FACTS = document_payload.DocumentFacts(
    document=ULID,
    gateway="bacninh-ttpvhcc-01",
    province="24",
    kind="chi-so-thang",
    month="2025-10",
    name="chi-so-2025-10.csv",
    bytes=3,
    sha256=SHA,
    pieces=1,
    piece_bytes=document_payload.PIECE_BYTES,
    made_ms=STAMP.time_ms,
)
_HEAD_FACTS = document_payload.head_facts(
    _FACTS, document_payload.KeySignature(key_digest=SHA, value="A" * 86), ask=0
)
_ACK = document_payload.DocumentAck(
    document=ULID,
    gateway="bacninh-ttpvhcc-01",
    sha256=SHA,
    state="kept",
    issued_ms=STAMP.time_ms,
)
_SIGNED = {"sig": {"alg": "Ed25519", "kid": "doc-2026a", "v": "A" * 86}}


def _command(**more: Any) -> EncodedPayload:
    return encode({"id": ULID, "actor": "op-17", "ttl_s": 30, **more})


def _contacts() -> EncodedPayload:
    person = ContactConfig(name="Nguyễn Văn A", phone="0222 000 0001", role="technical")
    held = inventory_payload.contacts_tree(Contacts(contacts=(person,)))
    return inventory_payload.encode_section(
        STAMP, inventory_payload.SectionRevision(1, stock_digest(held), held)
    )


SEEN = replace(sources(), detected=(RECORDER,))


def _section(name: str) -> EncodedPayload:
    held = inventory_payload.section_trees(build_inventory(SEEN, STAMP.time_ms))[name]
    return inventory_payload.encode_section(
        STAMP, inventory_payload.SectionRevision(9, stock_digest(held), held)
    )


NONCE = "kF3vY0m1QvG7d2nH5sTzWg"

CONFIRM = {
    "gw": "hcm-q1-01",
    "nonce": NONCE,
    "ver": 18,
    "sha256": SHA,
    "act": "confirm",
    "rollback_s": 300,
    "sig": {"alg": "Ed25519", "kid": "cfg-2026a", "v": "A" * 86},
}

DESIRED = {
    "ver": 18,
    "base": 17,
    "gw": "hcm-q1-01",
    "schema": "config/2",
    "issued": 1_764_000_000_000,
    "nbf_ms": 1_764_000_000_000,
    "exp_ms": 1_764_604_800_000,
    "issuer": "op-17",
    "reason": "CR-2211",
    "sha256": SHA,
    "rollback_s": 300,
    "min_alive_cams_p": 80,
    "doc": {"site": {"name": "TTHCC Quận 1", "cameras": []}},
    "sig": {"alg": "Ed25519", "kid": "cfg-2026a", "v": "A" * 86},
}

EXAMPLES: Mapping[str, tuple[str, EncodedPayload]] = {
    "online": ("presence/1", presence_payload.encode_online(STAMP, MACHINE)),
    "will": ("presence/1", presence_payload.encode_will(STAMP.epoch)),
    "offline": ("presence/1", presence_payload.encode_offline(STAMP, "stopping")),
    "leaving": ("presence/1", presence_payload.encode_offline(STAMP, "update", 180)),
    "birth": (
        "birth/1",
        presence_payload.encode_birth(
            STAMP,
            MACHINE,
            site="TTHCC Quận 1",
            cameras=[COUNTER],
            capabilities=ABILITIES,
            status=STANDING,
        ),
    ),
    "site": ("health.site/1", health_payload.encode_site_health(STAMP, SITE)),
    "cameras": ("health.cams/1", health_payload.encode_cameras_health(STAMP, (CAMERA, TROUBLED))),
    "state": ("cam.state/1", health_payload.encode_camera_state(STAMP, TROUBLED)),
    "alarm": ("alarm/1", encode_alarm(STAMP, ALARM)),
    "event": ("event/1", _event("alarm", RAISED)),
    "gap": (
        "event/1",
        _event(
            "outbox.gap",
            {"from_n": 4100, "to_n": 4388, "count": 289, "class": "info", "why": "size_limit"},
        ),
    ),
    **{f"inv.{each}": (f"inv.{each}/1", _section(each)) for each in topic_tree.INVENTORY},
    "contacts": ("inv.contacts/1", _contacts()),
    "change": (
        "inv.log/1",
        _event(
            "inventory",
            inventory_payload.change_facts(
                Change("cams", 9, "/cams/c07/fw", "V5.7.1", "V5.7.3", "observed", STAMP.time_ms)
            ),
            replace(MARK, id=f"{ULID[:-1]}S", number=MARK.number + 1),
        ),
    ),
    "echo": ("echo/1", presence_payload.encode_echo(STAMP)),
    "desired": ("config.desired/1", encode(DESIRED)),
    "confirm": ("config.confirm/1", encode(CONFIRM)),
    "pending": (
        "config.reported/1",
        encode_reported(
            STAMP,
            Reported(
                version=18,
                sha256=SHA,
                state="pending_confirm",
                until_s=287,
                nonce=NONCE,
                applied=("/site/cameras/c07/streams/main/url",),
                restart=("c07",),
                running=18,
                last_known_good=17,
                attempt=1,
            ),
        ),
    ),
    "rejected": (
        "config.reported/1",
        encode_reported(
            STAMP,
            Reported(
                version=19,
                sha256=SHA,
                state="rejected",
                errors=reported_faults(
                    (
                        Fault(
                            "/doc/site/cameras/3/streams/0/url",
                            "url.scheme",
                            "'htp://x': it must begin with rtsp:// or rtsps://",
                        ),
                    )
                ),
                running=18,
                last_known_good=18,
            ),
        ),
    ),
    "rolled_back": (
        "config.reported/1",
        encode_reported(
            STAMP,
            Reported(
                version=19,
                sha256=SHA,
                state="rolled_back",
                why="health_gate",
                detail="3 of 8 cameras work again, not c01, c02, c03, c04, c05",
                running=18,
                last_known_good=18,
                attempt=1,
            ),
        ),
    ),
    "updated": (
        "update.reported/1",
        encode_update_reported(
            STAMP,
            UpdateReported(
                time_ms=0,
                epoch=0,
                number=0,
                id=ULID,
                state="rolled_back",
                version="0.2.0+g1a2b3c4",
                previous="0.1.0+g0a1b2c3",
                why="health_gate",
                detail="3 of 8 cameras work again",
            ),
        ),
    ),
    "command": ("cmd/1", _command(args={"cam": "c07", "width": 640})),
    "signed": (
        "cmd/1",
        _command(
            name="stream.restart",
            gw="hcm-q1-01",
            args={"cam": "c07"},
            nbf_ms=ulid_ms(ULID),
            exp_ms=ulid_ms(ULID) + 30_000,
            sig={"alg": "Ed25519", "kid": "cmd-2026a", "v": "A" * 86},
        ),
    ),
    "accepted": ("rsp/1", encode_reply(STAMP, Reply(id=ULID, state="accepted"))),
    "succeeded": (
        "rsp/1",
        encode_reply(STAMP, Reply(id=ULID, state="succeeded", result={"viewers": 2})),
    ),
    "refused": (
        "rsp/1",
        encode_reply(STAMP, Reply(id=ULID, state="rejected", code="rate_limited")),
    ),
    "log": ("log/1", encode_log_lines(STAMP, ('{"event": "connected", "level": "info"}',), 0)),
    "rebirth": ("bcast/1", encode({"id": ULID, "op": "rebirth", "spread_s": 300})),
    "document": ("doc/1", _event("document", _HEAD_FACTS)),
    "piece": ("doc/1", _event("document.piece", document_payload.piece_facts(ULID, 0, b"a,b"))),
    "doc_kept": (
        "doc.ack/1",
        encode(document_payload.ack_tree(_ACK) | _SIGNED),
    ),
    "doc_missing": (
        "doc.ack/1",
        encode(
            document_payload.ack_tree(
                _ACK.model_copy(update={"state": "missing", "ask": 1, "missing": (3, 4)})
            )
            | _SIGNED
        ),
    ),
    "revoked": (
        "viewing.revoked/1",
        encode(
            {
                "issued": STAMP.time_ms,
                "actors": ["an.nguyen", "Trần Văn Bình"],
                "sig": {"alg": "Ed25519", "kid": "view-2026a", "v": "A" * 86},
            }
        ),
    ),
    "centre": ("centre/1", encode({"online": True, "ep": 88, "t": STAMP.time_ms})),
    "offer": (
        "rtc.viewer/1",
        encode_viewer_message(
            STAMP,
            Offer(KEY, "c07", "v=0...", "sub", lifetime_s=600.0, token=SecretStr("eyJ...")),
        ),
    ),
    "viewer's candidates": (
        "rtc.viewer/1",
        encode_viewer_message(
            STAMP, Candidates(KEY, (RemoteCandidate("candidate:...", "0"), RemoteCandidate(None)))
        ),
    ),
    "extend": (
        "rtc.viewer/1",
        encode_viewer_message(STAMP, Extend(KEY, 600.0, SecretStr("eyJ..."))),
    ),
    "viewer's bye": ("rtc.viewer/1", encode_viewer_message(STAMP, Bye(KEY, "viewer"))),
    "answer": ("rtc.gateway/1", encode_gateway_message(STAMP, Answer(KEY, "v=0..."))),
    "error": (
        "rtc.gateway/1",
        encode_gateway_message(STAMP, Refusal(KEY, 486, Reason.OVERLOADED, "16 watch already")),
    ),
    "bye": ("rtc.gateway/1", encode_gateway_message(STAMP, Bye(KEY, "stopping"))),
    "stats": (
        "rtc.gateway/1",
        encode_gateway_message(
            STAMP, SessionStats(KEY, 1048.5, 0.5, 38.0, 3, ViewLevel.SUB, Reason.LINE_NARROW)
        ),
    ),
}
"""Name -> schema, and content type with payload."""


def text_of(name: str) -> str:
    """Return the JSON text of an example."""
    content_type, payload = EXAMPLES[name][1]
    assert content_type in (PLAIN, COMPRESSED)
    return (zlib.decompress(payload) if content_type == COMPRESSED else payload).decode()


def tree_of(name: str) -> Any:
    """Return an example as JSON."""
    return json.loads(text_of(name))
