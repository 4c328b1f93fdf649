"""The topic tree, and that the document about it says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.signalling import SessionKey
from gateway.mqtt import topic_tree
from gateway.mqtt.topics import ParsedTopic, Topics, build_message, parse_topic

DOCUMENT = Path(__file__).parents[3] / "docs" / "mqtt.md"
TOPICS = Topics("79", "hcm-q1-01")
KEY = SessionKey("v-op17", "0123456789")
NAMED = {"viewer": "v-op17", "sid": "0123456789"}

PLACES = {
    TOPICS.presence: ParsedTopic(topic_tree.PRESENCE, "79", "hcm-q1-01"),
    TOPICS.birth: ParsedTopic(topic_tree.BIRTH, "79", "hcm-q1-01"),
    TOPICS.site_health: ParsedTopic(topic_tree.SITE_HEALTH, "79", "hcm-q1-01"),
    TOPICS.cameras_health: ParsedTopic(topic_tree.CAMERAS_HEALTH, "79", "hcm-q1-01"),
    TOPICS.camera_state("c07"): ParsedTopic(
        topic_tree.CAMERA_STATE, "79", "hcm-q1-01", {"cam": "c07"}
    ),
    TOPICS.viewer_signalling(KEY): ParsedTopic(
        topic_tree.VIEWER_SIGNALLING, "79", "hcm-q1-01", NAMED
    ),
    TOPICS.gateway_signalling(KEY): ParsedTopic(
        topic_tree.GATEWAY_SIGNALLING, "79", "hcm-q1-01", NAMED
    ),
    TOPICS.alarm("cam.c07.down"): ParsedTopic(
        topic_tree.ALARM, "79", "hcm-q1-01", {"key": "cam.c07.down"}
    ),
    TOPICS.event: ParsedTopic(topic_tree.EVENT, "79", "hcm-q1-01"),
    TOPICS.inventory("nvr"): ParsedTopic(topic_tree.INVENTORY["nvr"], "79", "hcm-q1-01"),
    TOPICS.contacts: ParsedTopic(topic_tree.CONTACTS, "79", "hcm-q1-01"),
    TOPICS.inventory_log: ParsedTopic(topic_tree.INVENTORY_LOG, "79", "hcm-q1-01"),
    TOPICS.config_reported: ParsedTopic(topic_tree.CONFIG_REPORTED, "79", "hcm-q1-01"),
    TOPICS.update_reported: ParsedTopic(topic_tree.UPDATE_REPORTED, "79", "hcm-q1-01"),
    TOPICS.config_desired: ParsedTopic(topic_tree.CONFIG_DESIRED, "79", "hcm-q1-01"),
    TOPICS.config_confirm: ParsedTopic(topic_tree.CONFIG_CONFIRM, "79", "hcm-q1-01"),
    TOPICS.echo: ParsedTopic(topic_tree.ECHO, "79", "hcm-q1-01"),
    TOPICS.log("main"): ParsedTopic(topic_tree.LOG, "79", "hcm-q1-01", {"stream": "main"}),
    TOPICS.replies + "op-17/01JD80": ParsedTopic(
        topic_tree.REPLY, "79", "hcm-q1-01", {"requester": "op-17", "cid": "01JD80"}
    ),
    TOPICS.command("stream.restart"): ParsedTopic(
        topic_tree.COMMAND, "79", "hcm-q1-01", {"name": "stream.restart"}
    ),
    "ctl/v1/state": ParsedTopic(topic_tree.CENTRE_STATE),
    "ctl/v1/bcast/prov-79": ParsedTopic(topic_tree.BROADCAST, levels={"group": "prov-79"}),
}


@pytest.mark.parametrize(("topic", "place"), PLACES.items(), ids=PLACES)
def test_a_topic_is_read_as_it_was_written(topic: str, place: ParsedTopic) -> None:
    """Every row of the tree, both ways."""
    assert parse_topic(topic) == place


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "cgw/v2/79/hcm-q1-01/up/presence",
        "cgw/v1/hcm/hcm-q1-01/up/presence",
        "cgw/v1/79/up/up/presence",
        "cgw/v1/79/dn/up/presence",
        "cgw/v1/79/HCM-Q1/up/presence",
        "cgw/v1/79/hcm-q1-01/up/presence/more",
        "cgw/v1/79/hcm-q1-01/up/presence\n",
        "cgw/v1/79/hcm-q1-01/up/cam/C07/state",
        "cgw/v1/79/hcm-q1-01/up/cam/c07c07c07c07c07c07/state",
        "cgw/v1/79/hcm-q1-01/dn/rtc/op17/0123456789",
        "cgw/v1/79/hcm-q1-01/dn/rtc/v-op17/short",
        "cgw/v1/79/hcm-q1-01/dn/rtc/v-op17/0123456789/x",
    ],
)
def test_what_is_not_in_the_tree_is_nothing(topic: str) -> None:
    """Names are checked too: a viewer cannot pass for a gateway."""
    assert parse_topic(topic) is None


def test_a_publication_is_as_its_row_says() -> None:
    """Retain, expiry and path come from the table, nowhere else."""
    sent = build_message(topic_tree.SITE_HEALTH, TOPICS.site_health, ("application/json", b"{}"))

    assert (sent.qos, sent.retain, sent.expiry_s, sent.path) == (1, True, 180, "conflated")
    assert sent.properties == {"sv": "health.site/1"}
