"""What stands between a camera and the gateway."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inventory.sections import build_inventory
from gateway.inventory.topology import NetworkTopology, topology_of
from tests.fixtures.inventory import NOW_MS, sources

OFFICE = [
    ("c07", "sw1"),
    ("c08", "sw2"),
    ("sw2", "sw1"),
    ("nvr1", "sw1"),
    ("sw1", "gateway"),
    ("sw1", "fw1"),
    ("fw1", "wan"),
]


def upstream(
    links: list[tuple[str, str]], camera: str, recorders: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    return NetworkTopology(links, recorders or {}).upstream(camera)


def test_the_switches_on_the_way_explain_a_camera() -> None:
    """The nearest first; what lies behind the gateway does not."""
    assert upstream(OFFICE, "c08") == ("sw2", "sw1")


def test_a_recorder_explains_its_cameras_wherever_it_is_plugged_in() -> None:
    """The pictures go to it first and from there to the gateway."""
    assert upstream(OFFICE, "c08", {"c08": "nvr1"}) == ("sw2", "sw1", "nvr1")


def test_what_can_be_gone_around_explains_nothing() -> None:
    """Two switches side by side: neither alone takes the camera away."""
    ring = [("c1", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "gateway")]

    assert upstream(ring, "c1") == ("a", "d")


def test_without_the_gateway_only_the_next_node_is_certain() -> None:
    """Where it is plugged in nobody has drawn."""
    drawn = [link for link in OFFICE if "gateway" not in link]

    assert upstream(drawn, "c08") == ("sw2",)


def test_a_recorder_that_nobody_has_drawn_explains_its_cameras() -> None:
    """The configuration alone says so."""
    assert upstream([], "c1", {"c1": "dvr"}) == ("dvr",)


@pytest.mark.parametrize("camera", ["c99", "gateway", "wan", ""])
def test_what_is_not_there_is_explained_by_nothing(camera: str) -> None:
    """No name makes it fail."""
    assert upstream([link for link in OFFICE if "fw1" not in link], camera) == ()


def test_the_example_explains_its_cameras() -> None:
    """An analog camera hangs on the recorder, the recorder on the switch."""
    topology = topology_of(build_inventory(sources(), NOW_MS))

    assert topology.upstream("quay1") == ("dvr-1", "sw-1")
    assert topology.upstream("hoitruong") == ("sw-1",)


def _reaches(links: list[tuple[str, str]], start: str, goal: str, without: str) -> bool:
    seen, front = {start}, [start]
    while front:
        here = front.pop()
        if here == goal:
            return True
        for one, other in links:
            for near, far in ((one, other), (other, one)):
                if near == here and far != without and far not in seen:
                    seen.add(far)
                    front.append(far)
    return False


_ENDS = st.sampled_from(["c1", "a", "b", "c", "d", "gateway"])


@given(st.lists(st.tuples(_ENDS, _ENDS), max_size=12))
def test_a_node_explains_a_camera_if_taking_it_away_does(links: list[tuple[str, str]]) -> None:
    """The same as trying every node in turn, on any graph."""
    links = [link for link in links if link[0] != link[1]]
    links.append(("d", "gateway"))
    found = set(upstream(links, "c1"))

    connected = _reaches(links, "c1", "gateway", without="")
    expected = {
        node for node in "abcd" if connected and not _reaches(links, "c1", "gateway", without=node)
    }
    assert found == expected
