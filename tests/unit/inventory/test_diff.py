"""Trees of the inventory: by what they are known, and what has changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inventory.diff import MAX_CHANGES, carry_timestamps, changes, digest
from gateway.model.inventory import Change


def value(what: object, src: str = "survey", t: int = 1) -> dict[str, object]:
    return {"v": what, "src": src, "t": t}


def cams(**firmware: str) -> dict[str, Any]:
    return {"cams": [{"id": name, "fw": value(each, "onvif")} for name, each in firmware.items()]}


def test_the_time_does_not_count() -> None:
    """The same values from the same sources are the same section."""
    assert digest({"name": value("a", t=1)}) == digest({"name": value("a", t=2)})
    assert len(digest({})) == 10


@pytest.mark.parametrize("other", [value("b"), value("a", "config"), None, ["a"]])
def test_the_value_and_who_says_it_count(other: object) -> None:
    """A value that is now asked from the device is not what was declared."""
    assert digest({"name": value("a")}) != digest({"name": other})


def test_what_stays_keeps_its_time() -> None:
    """Each value says since when it has been known so; items are found again by their id."""
    old = {"cams": [{"id": "c1", "fw": value("1", t=5)}, {"id": "c2", "fw": value("1", t=6)}]}
    new = {"cams": [{"id": "c2", "fw": value("1", t=9)}, {"id": "c1", "fw": value("2", t=9)}]}

    assert carry_timestamps(new, old) == {
        "cams": [{"id": "c2", "fw": value("1", t=6)}, {"id": "c1", "fw": value("2", t=9)}]
    }


def test_a_change_has_its_place_both_values_and_who_says_so() -> None:
    """As the contract shows it."""
    found = changes("cams", 9, cams(c07="V5.7.1", c08="1"), cams(c07="V5.7.3", c08="1"), 77)

    assert found == (Change("cams", 9, "/cams/c07/fw", "V5.7.1", "V5.7.3", "onvif", 77),)


def test_what_comes_and_goes_is_one_change_each() -> None:
    """A camera more is not twelve values more."""
    ours = {"id": "c2", "fw": "2"}

    assert changes("cams", 2, cams(c1="1"), cams(c1="1", c2="2"), 7) == (
        Change("cams", 2, "/cams/c2", None, ours, "onvif", 7),
    )
    assert changes("cams", 2, cams(c1="1", c2="2"), cams(c1="1"), 7) == (
        Change("cams", 2, "/cams/c2", ours, None, "onvif", 7),
    )


def test_a_row_of_one_source_is_one_value() -> None:
    """A link of the graph is there or not."""
    old = {"links": [{"ends": ["a", "b"], "src": "survey", "t": 1}]}
    new = {"links": [{"ends": ["a", "c"], "src": "survey", "t": 2}]}

    assert [(each.at, each.new) for each in changes("net", 1, old, new, 7)] == [
        ("/links/a..b", None),
        ("/links/a..c", {"ends": ["a", "c"]}),
    ]


def test_a_flood_is_one_record() -> None:
    """A new site is read from the section, not from the log."""
    old, new = ({"cams": [{"id": f"c{n}", "fw": value(mark)} for n in range(65)]} for mark in "ab")

    assert changes("cams", 2, old, new, 7) == (
        Change("cams", 2, "", digest(old), digest(new), None, 7, MAX_CHANGES + 1),
    )


_TREE = st.dictionaries(
    st.sampled_from(["a/b", "c~d", "cams"]),
    st.builds(value, st.integers(0, 2), st.sampled_from(["survey", "observed"]), st.integers(0, 9))
    | st.lists(
        st.fixed_dictionaries(
            {"id": st.sampled_from(["x", "y", "z"]), "fw": st.builds(value, st.integers(0, 2))}
        ),
        max_size=4,
    ),
)


@given(_TREE, _TREE)
def test_changes_are_told_exactly_when_the_digest_is_another(
    old: dict[str, object], new: dict[str, object]
) -> None:
    """Neither a change without a record, but for the order, nor a record without a change."""
    now = carry_timestamps(new, old)
    assert isinstance(now, dict)

    assert digest(now) == digest(new)
    found = changes("cams", 1, old, now, 7)
    if not found:
        assert sorted(map(repr, _items(old))) == sorted(map(repr, _items(new)))
    assert digest(old) != digest(new) or not found


def _items(tree: dict[str, object]) -> list[object]:
    """Return what is in *tree* but for order and time."""
    return [
        (key, digest({"it": item}))
        for key, node in tree.items()
        for item in (node if isinstance(node, list) else [node])
    ]
