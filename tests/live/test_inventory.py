"""The inventory of a real gateway at a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.inventory import InventoryCameras, decode_section
from gateway.mqtt.payloads.presence import decode_birth
from gateway.mqtt.topic_tree import BROADCAST
from gateway.mqtt.topics import build_message
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.broker import Broker, observing
from tests.fixtures.site import OWN, cameras, site, tree

pytestmark = pytest.mark.live


async def test_a_centre_that_comes_later_reads_the_inventory(
    tmp_path: Path, broker: Broker
) -> None:
    """The broker keeps every section, with the digest that the birth names; no contacts."""
    async with site(tmp_path, broker, cameras(1)) as running:
        await running.until(lambda message: message.topic == OWN.inventory("ioc"))
        held: dict[str, InboundMessage] = {}
        async with observing(broker.address, "#", client_id="late") as late:
            await late.until(lambda each: bool(held.update({each.topic: each})) or len(held) == 10)
    birth = held[OWN.birth]
    digests = decode_birth(birth.payload, birth.content_type).digests
    message = held[OWN.inventory("cams")]
    section = decode_section("cams", message.payload, message.content_type)

    assert isinstance(section, InventoryCameras)
    assert [each.id for each in section.cameras] == ["c00"]
    assert digests is not None
    assert digests["cams"] == section.sha
    assert digests.keys() == {"cfg", "site", "nvr", "cams", "net", "ioc"}
    assert not [topic for topic in held if "contacts" in topic]


@pytest.mark.parametrize("allowed", [True, False])
async def test_contacts_are_told_when_asked_where_the_site_allows_it(
    tmp_path: Path, broker: Broker, allowed: bool
) -> None:
    """Asked for, not before, and the broker keeps nothing of them; else never."""
    people = tmp_path / "contacts.json"
    people.touch(mode=0o600)
    people.write_text(
        json.dumps({"contacts": [{"name": "Nguyễn Văn A", "phone": "0222 000 0001"}]})
    )
    more = f"[inventory]\ncontacts = {str(allowed).lower()}\n"
    async with site(tmp_path, broker, cameras(1), more=more) as running:
        sections = ["contacts", "ioc"]
        said = {"id": "01KATBZ0B3", "op": "rebirth", "sections": sections, "spread_s": 0}
        await running.until(lambda message: message.topic == OWN.inventory("ioc"))
        before = len(running.heard)
        running.centre.client.publish(build_message(BROADCAST, "ctl/v1/bcast/all", encode(said)))
        await running.until(lambda message: message.topic == OWN.inventory("ioc"))
        async with observing(broker.address, "#", client_id="late") as late:
            kept: list[str] = []

            def is_last(message: InboundMessage) -> bool:
                kept.append(message.topic)
                return message.topic[0] == "b"

            late.client.publish(OutboundMessage("behind all that is kept", b""))
            await late.until(is_last)
        await running.terminate()
    told = [each for each in running.heard if each.topic == OWN.contacts]

    assert [each for each in running.heard[:before] if each.topic == OWN.contacts] == []
    assert OWN.birth in kept
    assert OWN.contacts not in kept
    assert [tree(each)["items"][0]["phone"] for each in told] == ["0222 000 0001"] * allowed
    assert "Nguyễn" not in "".join(running.output)
