"""What differs between two configurations, and what may differ."""

from __future__ import annotations

from typing import Any

from gateway.remote_config.diff import changes, forbidden_faults
from gateway.remote_config.document import DesiredConfig, parse_config
from tests.fixtures.desired import site_tree


def wanted(site: dict[str, Any], **more: Any) -> DesiredConfig:
    return parse_config("config/2", {"site": site, **more})


def test_the_same_document_changes_nothing() -> None:
    """Its version alone is no change."""
    assert changes(wanted(site_tree("c01")), wanted(site_tree("c01", version=7))) == ()


def test_a_changed_value_is_named_by_its_place() -> None:
    """Cameras and streams go by their names, wherever they stand in the list."""
    new = site_tree("c01", "c02")
    new["cameras"][1]["streams"][0]["keep"] = "warm"

    assert changes(wanted(site_tree("c01", "c02")), wanted(new)) == (
        "/site/cameras/c02/streams/main/keep",
    )


def test_a_camera_that_comes_or_goes_is_one_change() -> None:
    """Not one for each of its values."""
    assert changes(wanted(site_tree("c01", "c02")), wanted(site_tree("c01", "c03"))) == (
        "/site/cameras/c02",
        "/site/cameras/c03",
    )


def test_another_order_is_a_change_of_the_list() -> None:
    """Nothing else about it is."""
    assert changes(wanted(site_tree("c01", "c02")), wanted(site_tree("c02", "c01"))) == (
        "/site/cameras",
    )


def test_another_broker_is_a_change() -> None:
    """Also one in place of the settings'."""
    new = wanted(site_tree("c01"), broker={"host": "127.0.0.1", "port": 1884})

    assert changes(wanted(site_tree("c01")), new) == ("/broker",)


def test_only_what_is_allowed_may_change() -> None:
    """A star stands for one name; what lies below an allowed place is allowed."""
    changed = (
        "/site/cameras/c01/enabled",
        "/site/cameras/c01/streams/main/url",
        "/site/limits/viewers",
        "/broker",
    )
    allowed = ("/site/cameras/*/enabled", "/site/limits")

    assert [fault.at for fault in forbidden_faults(changed, allowed)] == [
        "/site/cameras/c01/streams/main/url",
        "/broker",
    ]
    assert list(forbidden_faults(changed, ("/site", "/broker"))) == []
    assert [fault.code for fault in forbidden_faults(("/site/cameras",), allowed)] == ["forbidden"]
