"""The inventory of a real gateway at a real broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mqtt.wire_inventory import InventoryCameras, read_section
from gateway.mqtt.wire_site import read_birth
from gateway.ports import Letter
from tests.fixtures.broker import Broker, observing
from tests.fixtures.site import OWN, cameras, site

pytestmark = pytest.mark.live


async def test_a_centre_that_comes_later_reads_the_inventory(
    tmp_path: Path, broker: Broker
) -> None:
    """The broker keeps every section, with the digest that the birth names; no contacts."""
    async with site(tmp_path, broker, cameras(1)) as running:
        await running.until(lambda letter: letter.topic == OWN.inventory("ioc"))
        held: dict[str, Letter] = {}
        async with observing(broker.address, "#", client_id="late") as late:
            await late.until(lambda each: bool(held.update({each.topic: each})) or len(held) == 10)
    birth = held[OWN.birth]
    digests = read_birth(birth.payload, birth.content_type).digests
    letter = held[OWN.inventory("cams")]
    section = read_section("cams", letter.payload, letter.content_type)

    assert isinstance(section, InventoryCameras)
    assert [each.id for each in section.cameras] == ["c00"]
    assert digests is not None
    assert (digests["cams"], digests.keys()) == (
        section.sha,
        {"cfg", "site", "nvr", "cams", "net", "ioc"},
    )
    assert not [topic for topic in held if "contacts" in topic]
