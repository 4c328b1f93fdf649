"""The survey form in the site document: whatever is wrong is named by its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.config.documents import parse_site
from gateway.config.faults import PATTERNS, VIETNAMESE
from gateway.inventory.contacts import load_contacts
from gateway.model.contacts import Contacts
from gateway.model.errors import ConfigRejected

CONFIG = Path(__file__).parents[3] / "config"
CAMERA = {"id": "c1", "name": "Quầy 1", "streams": [{"url": "rtsp://10.0.0.1/1"}]}


def places(**inventory: object) -> dict[str, str]:
    with pytest.raises(ConfigRejected) as caught:
        parse_site(json.dumps({"cameras": [CAMERA], "inventory": inventory}).encode())
    return {fault.at: fault.code for fault in caught.value.faults}


WRONG: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "no date": ({"surveyed": "02/03/2026"}, {"/surveyed": "type"}),
    "no latitude": ({"centre": {"lat": 91.0}}, {"/centre/lat": "range"}),
    "no line": ({"line": {"type": "dsl"}}, {"/line/type": "choice"}),
    "no protocol": ({"exposed": {"protocols": ["FTP"]}}, {"/exposed/protocols/0": "choice"}),
    "no network": ({"camera_ip_range": ["10.0.0.0/99"]}, {"/camera_ip_range/0": "network"}),
    "no address": ({"cameras": [{"id": "c1", "ip": "10.0.0"}]}, {"/cameras/0/ip": "address"}),
    "no mac": ({"cameras": [{"id": "c1", "mac": "38-AF"}]}, {"/cameras/0/mac": "pattern"}),
    "a typo": ({"centre": {"adress": "x"}}, {"/centre/adress": "unknown_key"}),
    "yes in words": ({"central_managed": "yes"}, {"/central_managed": "type"}),
    "a strange camera": ({"cameras": [{"id": "c9"}]}, {"/cameras/0/id": "unknown_id"}),
    "a camera twice": ({"cameras": [{"id": "c1"}] * 2}, {"/cameras/1/id": "duplicate"}),
    "a strange recorder": (
        {"cameras": [{"id": "c1", "nvr": "dvr"}]},
        {"/cameras/0/nvr": "unknown_id"},
    ),
    "a node named as a camera": (
        {"nodes": [{"id": "c1", "kind": "switch"}, {"id": "wan", "kind": "other"}]},
        {"/nodes/0/id": "duplicate", "/nodes/1/id": "duplicate"},
    ),
    "a loose link": (
        {"links": [["c1", "sw1"], ["c1", "gateway"]]},
        {"/links/0/1": "unknown_id"},
    ),
    "a link to itself": ({"links": [["c1", "c1"]]}, {"/links/0": "link"}),
    "a link of three": ({"links": [["c1", "gateway", "wan"]]}, {"/links/0": "length"}),
    "contacts, which have a file of their own": (
        {"contacts": [{"name": "A"}]},
        {"/contacts": "unknown_key"},
    ),
}


@pytest.mark.parametrize(("inventory", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(inventory: dict[str, object], expected: dict[str, str]) -> None:
    """With a pointer and a code that has a Vietnamese sentence."""
    found = places(**inventory)

    assert found == {f"/inventory{at}": code for at, code in expected.items()}
    assert set(found.values()) <= VIETNAMESE.keys()


def test_nothing_is_required() -> None:
    """An empty form is a form."""
    site = parse_site(b'{"inventory": {}}')

    assert site.inventory is not None
    assert site.inventory.central_managed is None


def test_a_network_is_kept_as_networks_are_written() -> None:
    """Whoever writes an address with its mask means the network."""
    site = parse_site(b'{"inventory": {"camera_ip_range": ["192.168.1.7/24"]}}')

    assert site.inventory is not None
    assert site.inventory.camera_ip_range == ("192.168.1.0/24",)


def test_the_contacts_example_is_right(tmp_path: Path) -> None:
    """An installer can begin with it, in a file that only its owner reads."""
    path = tmp_path / "contacts.json"
    path.touch(0o600)
    path.write_bytes((CONFIG / "contacts.example.json").read_bytes())

    contacts = load_contacts(path)

    assert contacts is not None
    assert contacts.contacts[0].position == "Chuyên viên"


def test_a_wrong_contact_is_not_repeated(tmp_path: Path) -> None:
    """The fault has a place and a code; what was written is about a person."""
    path = tmp_path / "contacts.json"
    path.touch(0o600)
    path.write_text('{"contacts": [{"name": "Nguyễn Văn A", "phone": "canary-0222"}]}')

    with pytest.raises(ConfigRejected) as caught:
        load_contacts(path)

    assert [fault.at for fault in caught.value.faults] == ["/contacts/0/phone"]
    assert "canary" not in repr(caught.value.faults)


def test_every_pattern_of_the_contacts_is_put_in_words() -> None:
    """Nobody is asked to read a regular expression."""
    schema = json.dumps(Contacts.model_json_schema())

    assert {json.loads(f'"{each}"') for each in re.findall(r'"pattern": "(.*?)"', schema)} <= set(
        PATTERNS
    )
