"""Exported files: what is written is read again, and the rest is refused with a place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ConfigRejected
from gateway.survey.exported import form_tree, parse_form, read_forms
from gateway.survey.merge import merge_forms
from gateway.survey.printed_country import print_country
from tests.unit.survey.filled import TECHNICIAN, form

TREE = form_tree(form(contacts=(TECHNICIAN,)))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def raw(tree: object) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace")


def test_what_is_exported_is_read_again() -> None:
    """All of it, though the texts for people are not read."""
    assert parse_form(raw(TREE)) == form(contacts=(TECHNICIAN,))


@given(key=st.sampled_from(sorted(TREE)), value=ANYTHING)
def test_any_value_anywhere_is_read_or_refused(key: str, value: object) -> None:
    """A form of strangers raises nothing else, and what is read can be merged and printed."""
    try:
        found = parse_form(raw({**TREE, key: value}))
    except ConfigRejected:
        return
    assert print_country(merge_forms((found,), 1), with_sites=True).blocks


@given(st.binary(max_size=64) | ANYTHING.map(raw))
def test_any_bytes_are_refused_with_a_fault(content: bytes) -> None:
    """What is no form says what is wrong."""
    with pytest.raises(ConfigRejected) as caught:
        parse_form(content)
    assert all(fault.code for fault in caught.value.faults)


def test_a_wrong_file_is_named_and_stops_no_other(tmp_path: Path) -> None:
    """With the place of the fault in it."""
    (tmp_path / "a.json").write_bytes(raw(TREE))
    (tmp_path / "b.json").write_bytes(raw({**TREE, "provinz": "24"}))
    (tmp_path / "c.json").write_bytes(b"{")

    forms, refused = read_forms([tmp_path])

    assert len(forms) == 1
    assert [(each.path.name, each.faults[0].code) for each in refused] == [
        ("b.json", "unknown_key"),
        ("c.json", "syntax"),
    ]
    assert refused[0].faults[0].at == "/provinz"


def test_a_question_answered_twice_is_refused() -> None:
    """Readers would disagree about which counts."""
    answers = TREE["answers"]
    assert isinstance(answers, list)

    with pytest.raises(ConfigRejected) as caught:
        parse_form(raw({**TREE, "answers": [answers[0], *answers[:-1]]}))

    assert caught.value.faults[0].code == "duplicate"
