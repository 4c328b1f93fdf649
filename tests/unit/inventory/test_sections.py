"""The sections of the inventory: every value with who says it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.documents import parse_site
from gateway.inventory.sections import Sources, build_inventory
from gateway.model.health import Machine
from gateway.model.provenance import Sourced
from gateway.model.survey import Survey
from gateway.mqtt.payloads.inventory import section_trees
from tests.fixtures.inventory import NOW_MS, SEEN, SURVEYED_MS, sources

INVENTORY = build_inventory(sources(), NOW_MS)


def by_id(items: Any) -> dict[str, Any]:
    return {each.id: each for each in items}


def site(cameras: list[dict[str, Any]], **inventory: Any) -> Sources:
    """Return a site of nothing but *cameras* and what is declared."""
    document = {"cameras": cameras, "inventory": inventory}
    return Sources(parse_site(json.dumps(document).encode()))


def camera(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "streams": [{"url": url}], **more}


def leaves(node: object, at: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict) and "src" not in node:
        for key, value in node.items():
            yield from leaves(value, f"{at}/{key}")
    elif isinstance(node, list):
        for each in node:
            yield from leaves(each, at)
    else:
        yield at, node


def test_what_is_declared_is_of_the_survey_and_its_day() -> None:
    """A value that a person has written down says when it was true."""
    assert INVENTORY.site.central_managed == Sourced(False, "survey", SURVEYED_MS)
    assert INVENTORY.site.reach_from_office.net == Sourced("CPNet", "survey", SURVEYED_MS)
    assert by_id(INVENTORY.cameras)["quay1"].type == Sourced("HD-TVI", "survey", SURVEYED_MS)


def test_what_is_configured_is_of_the_configuration() -> None:
    """Names and places are what the site document's cameras say."""
    assert by_id(INVENTORY.cameras)["quay1"].name == Sourced(
        "Quầy 1 – Tiếp nhận hồ sơ", "config", NOW_MS
    )


def test_what_is_seen_is_observed() -> None:
    """The streams, and the machine that the gateway runs on."""
    assert by_id(INVENTORY.cameras)["hoitruong"].streams[0] == SEEN
    assert INVENTORY.site.camera_count.observed == Sourced(1, "observed", NOW_MS)
    assert INVENTORY.site.gateway.model == Sourced("Raspberry Pi 5 Model B", "observed", NOW_MS)


def test_no_is_an_answer_and_silence_is_none() -> None:
    """``false`` is told; what nobody has said is left out."""
    assert INVENTORY.site.exposed.declared == Sourced(False, "survey", SURVEYED_MS)
    assert build_inventory(site([]), NOW_MS).site.exposed.declared is None


def test_a_recorders_address_follows_from_its_cameras() -> None:
    """If all of them name the same."""
    ours = [
        camera("c1", "rtsp://10.0.0.9/1", device="dvr"),
        camera("c2", "rtsp://10.0.0.9/2", device="dvr"),
    ]
    theirs = [*ours, camera("c3", "rtsp://10.0.0.8/2", device="dvr")]

    (one,), (none,) = (
        build_inventory(site(ours), NOW_MS).recorders,
        build_inventory(site(theirs), NOW_MS).recorders,
    )

    assert (one.id, one.ip) == ("dvr", Sourced("10.0.0.9", "config", NOW_MS))
    assert none.ip is None


@pytest.mark.parametrize(
    ("url", "ip"),
    [
        ("rtsp://10.0.0.7/1", "10.0.0.7"),
        ("rtsp://[fd00::7]:8554/1", "fd00::7"),
        ("rtsp://camera.example/1", None),
    ],
)
def test_a_cameras_address_follows_from_its_url(url: str, ip: str | None) -> None:
    """A name is no address; nobody is asked."""
    (found,) = build_inventory(site([camera("c1", url)]), NOW_MS).cameras

    assert found.ip == (None if ip is None else Sourced(ip, "config", NOW_MS))


def test_a_camera_that_nobody_has_drawn_hangs_on_its_recorder() -> None:
    """The graph is useful before anybody has drawn it."""
    (link,) = build_inventory(
        site([camera("c1", "rtsp://10.0.0.9/1", device="dvr")]), NOW_MS
    ).net.links

    assert (link.ends, link.origin) == (("c1", "dvr"), "config")


def test_a_link_that_follows_from_a_declared_recorder_is_of_the_survey() -> None:
    """Who says where a camera hangs says that it is joined with it."""
    survey = {"surveyed": "2026-03-02", "recorders": [{"id": "dvr", "kind": "DVR"}]}
    survey["cameras"] = [{"id": "c1", "nvr": "dvr"}]
    document = {"cameras": [camera("c1", "rtsp://10.0.0.9/1")], "inventory": survey}
    (link,) = build_inventory(Sources(parse_site(json.dumps(document).encode())), NOW_MS).net.links

    assert (link.ends, link.origin, link.time_ms) == (("c1", "dvr"), "survey", SURVEYED_MS)


def test_the_settings_networks_stand_in_for_the_range() -> None:
    """What the gateway may open is where cameras are, until somebody has said more."""
    found = build_inventory(dataclasses.replace(site([]), networks=("10.1.0.0/16",)), NOW_MS)

    assert found.site.camera_ip_range == Sourced(("10.1.0.0/16",), "config", NOW_MS)


def test_every_field_of_the_form_gets_into_a_section() -> None:
    """What the example declares is found again, by its own name or the wire's."""
    told = json.dumps(section_trees(INVENTORY), ensure_ascii=False)
    declared = Survey.model_dump(sources().site.inventory or Survey(), mode="json")
    declared.pop("surveyed")

    for place, value in leaves(declared):
        shown = value if isinstance(value, list) else [value]
        for each in shown:
            assert each is None or json.dumps(each, ensure_ascii=False) in told, place


def test_every_value_says_where_it_came_from() -> None:
    """In every section, but for what a thing is known by."""
    for name, tree in section_trees(INVENTORY).items():
        for place, leaf in leaves(tree, name):
            assert isinstance(leaf, dict) or place.rsplit("/")[-1] in ("id", "profile"), place


def test_nothing_known_is_nothing_told() -> None:
    """A site without survey and cameras has empty sections but for counts."""
    told = section_trees(build_inventory(Sources(parse_site(b"{}"), machine=Machine()), NOW_MS))

    assert told == {
        "site": {
            "camera_count": {
                "configured": {"v": 0, "src": "config", "t": NOW_MS},
                "observed": {"v": 0, "src": "observed", "t": NOW_MS},
            }
        },
        "nvr": {},
        "cams": {},
        "net": {},
        "ioc": {},
    }
