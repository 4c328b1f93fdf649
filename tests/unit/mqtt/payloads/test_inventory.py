"""The inventory on the wire: written, read again, small enough for any site."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inventory.diff import digest
from gateway.inventory.sections import build_inventory
from gateway.model.contacts import ContactConfig, Contacts
from gateway.model.errors import MessageRejected
from gateway.model.inventory import (
    CONTACTS,
    SECTIONS,
    CameraRecord,
    Change,
    Inventory,
    SiteRecord,
    StreamRecord,
    SystemRecord,
)
from gateway.model.provenance import Sourced
from gateway.mqtt.payloads import inventory as inventory_payload
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, decode_tree
from gateway.mqtt.payloads.inventory import Section, SectionRevision
from gateway.mqtt.topic_tree import PLAIN
from tests.fixtures.inventory import NOW_MS, sources
from tests.fixtures.reports import STAMP

STOCK = build_inventory(sources(), NOW_MS)


def encoded(name: str, stock: Inventory) -> tuple[str, bytes]:
    tree = inventory_payload.section_trees(stock)[name]
    return inventory_payload.encode_section(STAMP, SectionRevision(9, digest(tree), tree))


def known(value: Any) -> Any:
    return Sourced(value, "survey", NOW_MS - random.Random(str(value)).randrange(10**9))


def large(number: int, text: str) -> CameraRecord:
    """A camera of which everything is known."""
    luck = random.Random(number)
    return CameraRecord(
        id=f"c{number:03d}",
        name=known(f"Quầy {number} – Tiếp nhận hồ sơ{text}"),
        type=known("IP"),
        manufacturer=known(luck.choice(["Hikvision", "Dahua", "KBVision"]) + text),
        model=known(luck.choice(["DS-2CD2143G2-I", "KX-C2012ASN3"]) + text),
        firmware=known(f"V{luck.randrange(9)}.{luck.randrange(999)}"),
        nvr=known(f"nvr-{number // 32}"),
        channel=known(number % 32),
        ip=known(f"10.1.{number // 256}.{number % 256}"),
        mac=known(":".join(f"{luck.randrange(256):02x}" for _ in range(6))),
        streams=tuple(
            StreamRecord(
                profile,
                codec=known("h264"),
                resolution=known("1920x1080"),
                fps=known(25.0),
                kbps=known(luck.randrange(300, 6000, 100)),
            )
            for profile in ("main", "sub")
        ),
    )


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_comes_across(name: Section) -> None:
    """Everything that was written is read, with its source."""
    kind, payload = encoded(name, STOCK)

    back = inventory_payload.decode_section(name, payload, kind)

    written = decode_tree(payload, kind)
    again = back.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert (back.time_ms, back.epoch, back.number) == (STAMP.time_ms, STAMP.epoch, STAMP.number)
    assert {key: value for key, value in again.items() if value and key in written} == written


def test_the_centre_is_read_as_declared() -> None:
    """By its attributes, as a reader sees it."""
    kind, payload = encoded("site", STOCK)

    back = inventory_payload.decode_section("site", payload, kind)

    assert isinstance(back, inventory_payload.InventorySite)
    assert back.centre.code is not None
    assert (back.centre.code.value, back.centre.code.origin) == ("24-ttpvhcc", "survey")


def test_contacts_come_across_apart() -> None:
    """In no section but their own."""
    person = ContactConfig(name="Nguyễn Văn A", phone="0222 000 0001", role="technical")
    tree = inventory_payload.contacts_tree(Contacts(contacts=(person,)))
    kind, payload = inventory_payload.encode_section(STAMP, SectionRevision(1, digest(tree), tree))

    back = inventory_payload.decode_section("contacts", payload, kind)

    assert isinstance(back, inventory_payload.InventoryContacts)
    assert (back.contacts[0].name, back.contacts[0].phone) == (person.name, person.phone)
    assert CONTACTS not in inventory_payload.section_trees(STOCK)


def test_every_section_has_a_reader() -> None:
    """What the tree names can be read."""
    assert set(inventory_payload.SECTIONS) == {*SECTIONS, CONTACTS} == set(get_args(Section))


def test_512_cameras_with_everything_known_fit() -> None:
    """Into one message, nothing left out."""
    kind, payload = encoded(
        "cams", Inventory(cameras=tuple(large(number, "") for number in range(512)))
    )

    back = inventory_payload.decode_section("cams", payload, kind)

    assert len(payload) < PAYLOAD_BYTES
    assert isinstance(back, inventory_payload.InventoryCameras)
    assert (len(back.cameras), back.cut) == (512, None)
    assert back.cameras[0].model is not None
    assert back.cameras[0].model.time_ms is not None


@pytest.mark.parametrize("name", ["cams", "ioc"])
def test_what_cannot_fit_says_what_is_left_out(name: Section) -> None:
    """Even texts that nothing can compress do not stop the section."""
    luck = random.Random(1)

    def noise(length: int) -> str:
        return "".join(chr(luck.randrange(0x4E00, 0x9000)) for _ in range(length))

    stock = Inventory(
        cameras=tuple(large(number, noise(150)) for number in range(512)),
        ioc=tuple(SystemRecord(noise(200), "survey", 1, noise(2000)) for _ in range(64)),
    )
    kind, payload = encoded(name, stock)

    back = inventory_payload.decode_section(name, payload, kind)
    items = back.cameras if isinstance(back, inventory_payload.InventoryCameras) else None
    if isinstance(back, inventory_payload.InventoryIoc):
        assert back.cut == 64 - len(back.ioc) > 0
    else:
        assert items is not None
        assert back.cut == 512 - len(items) > 0


def test_what_was_observed_is_found_again() -> None:
    """The process after this one goes on from there."""
    tree = inventory_payload.section_trees(STOCK)["cams"]

    assert inventory_payload.parse_observations(tree) == sources().observations


def test_a_change_comes_across() -> None:
    """As the contract shows it."""
    record = Change("cams", 9, "/cams/c07/fw", "V5.7.1", "V5.7.3", "onvif", 1764000000123)
    facts = inventory_payload.change_facts(record)

    back = inventory_payload.decode_change(json.dumps(facts).encode(), PLAIN)

    assert facts == {
        "sec": "cams",
        "rev": 9,
        "at": "/cams/c07/fw",
        "old": "V5.7.1",
        "new": "V5.7.3",
        "src": "onvif",
        "t": 1764000000123,
    }
    assert (back.section, back.at, back.new) == ("cams", "/cams/c07/fw", "V5.7.3")


WRONG = {
    "a number in quotes": {"cams": [{"id": "c1", "ch": {"v": "1", "src": "survey"}}]},
    "a value of nobody": {"cams": [{"id": "c1", "name": {"v": "a"}}]},
    "a source that is none": {"cams": [{"id": "c1", "name": {"v": "a", "src": "rumour"}}]},
    "a camera without name": {"cams": [{"name": {"v": "a", "src": "survey"}}]},
    "too many": {"cams": [{"id": "c1"}] * 513},
}


@pytest.mark.parametrize("tree", WRONG.values(), ids=WRONG)
def test_what_is_not_in_the_contract_is_refused(tree: dict[str, object]) -> None:
    """With its place."""
    with pytest.raises(MessageRejected) as caught:
        inventory_payload.decode_section("cams", json.dumps(tree).encode(), PLAIN)

    assert caught.value.faults[0].at.startswith("/cams")


def test_an_older_reader_ignores_what_is_new() -> None:
    """Discovery will add to it."""
    kind, payload = encoded("site", replace(STOCK, site=SiteRecord()))
    tree = {**decode_tree(payload, kind), "weather": {"v": "rain", "src": "observed"}}

    inventory_payload.decode_section("site", json.dumps(tree).encode(), PLAIN)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(st.text(max_size=4), deeper),
    max_leaves=8,
)
_KEYS = st.sampled_from(["t", "rev", "sha", "cams", "items", "nodes", "links", "centre", "sec"])


@given(st.dictionaries(_KEYS, _JSON))
def test_any_object_is_read_or_rejected(tree: dict[str, object]) -> None:
    """Whatever a gateway says, the centre stands."""
    payload = json.dumps(tree).encode()
    for name in inventory_payload.SECTIONS:
        with suppress(MessageRejected):
            inventory_payload.decode_section(name, payload, PLAIN)
    with suppress(MessageRejected):
        inventory_payload.decode_change(payload, PLAIN)
