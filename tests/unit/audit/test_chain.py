"""A chain shows whatever is removed, changed, put elsewhere or cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.chain import (
    GENESIS,
    AuditEntry,
    Head,
    append,
    compare_chains,
    hash_of,
    parse_entry,
    verify_chain,
)
from gateway.model.errors import MessageRejected
from gateway.model.event import Event

BEFORE = Head()


def chain(count: int, head: Head = BEFORE) -> list[AuditEntry]:
    """Return *count* entries behind *head*."""
    entries = []
    for number in range(count):
        facts = {"act": "begin", "sid": f"session-{number}", "actor": "Nguyễn Thị An"}
        entries.append(append(head, Event("session", facts, "audit"), 1000 + number))
        head = entries[-1].head
    return entries


def codes(entries: list[AuditEntry], anchor: Head | None = BEFORE) -> list[tuple[int, str]]:
    return [(each.seq, each.code) for each in verify_chain(entries, anchor=anchor)[1]]


def with_fact(entry: AuditEntry, name: str, value: object) -> AuditEntry:
    """Return *entry*, changed by somebody who leaves its hash as it was."""
    return AuditEntry(entry.head, entry.prev, {**entry.tree, name: value})


def rehashed(entry: AuditEntry, **changed: object) -> AuditEntry:
    """Return *entry*, changed by somebody who makes its hash fit again."""
    tree = {**entry.tree, **changed}
    return AuditEntry(
        Head(entry.head.seq, hash_of(tree)), entry.prev, {**tree, "hash": hash_of(tree)}
    )


def renamed(entry: AuditEntry) -> AuditEntry:
    return rehashed(entry, actor="Bình")


def test_a_whole_chain_has_no_fault() -> None:
    """Its head is that of the last entry."""
    entries = chain(5)

    assert verify_chain(entries, anchor=BEFORE) == (entries[-1].head, [])


def test_the_hash_is_that_of_the_canonical_form() -> None:
    """By which anybody can verify it with tools of their own."""
    entry = append(BEFORE, Event("session", {"act": "end", "lasted_s": 5.0}, "audit"), 1)

    assert entry.tree == {
        "act": "end",
        "at": 1,
        "hash": entry.head.hash,
        "lasted_s": 5.0,
        "prev": GENESIS,
        "seq": 1,
        "type": "session",
    }
    canonical = f'{{"act":"end","at":1,"lasted_s":5,"prev":"{GENESIS}","seq":1,"type":"session"}}'
    assert entry.head.hash == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda it: [*it[:2], *it[3:]], [(4, "missing")]),
        (lambda it: it[1:], [(2, "missing")]),
        (lambda it: [*it[:2], with_fact(it[2], "actor", "Bình"), *it[3:]], [(3, "changed")]),
        (lambda it: [*it[:2], with_fact(it[2], "more", 1), *it[3:]], [(3, "changed")]),
        (lambda it: [*it[:2], rehashed(it[2], actor="Bình"), *it[3:]], [(4, "link")]),
        (lambda it: [it[0], it[2], it[1], *it[3:]], [(3, "missing"), (2, "order")]),
        (lambda it: [*it[:3], *map(renamed, it[:2])], [(1, "restarted"), (2, "order")]),
        (lambda it: [*it, *chain(2, Head(99, GENESIS))], [(100, "restarted")]),
        (lambda _: chain(2, Head(99, GENESIS)), [(100, "restarted")]),
    ],
)
def test_damage_is_found(
    damage: Callable[[list[AuditEntry]], list[AuditEntry]], found: list[tuple[int, str]]
) -> None:
    """Where it is, and what it is."""
    assert codes(damage(chain(5))) == found


def test_the_end_that_was_cut_off_is_told_by_what_was_published() -> None:
    """By the chain alone nobody can see it."""
    entries = chain(5)

    assert codes(entries[:3]) == []
    faults = compare_chains(entries[:3], [entries[1].head, entries[4].head], BEFORE)
    assert [(each.seq, each.code) for each in faults] == [(5, "truncated")]


def test_another_chain_is_told_by_what_was_published() -> None:
    """Whoever writes it anew makes all hashes fit."""
    published, other = chain(3), chain(2)
    other.append(append(other[-1].head, Event("session", {"actor": "Bình"}, "audit"), 9))

    assert codes(other) == []
    faults = compare_chains(other, [each.head for each in published], BEFORE)
    assert [(each.seq, each.code) for each in faults] == [(3, "differs")]


def test_the_last_entry_that_has_gone_is_compared_too() -> None:
    """What was before it is not known any more, and nothing wrong."""
    entries = chain(5)
    anchor = entries[2].head
    heads = [each.head for each in entries]

    assert compare_chains(entries[3:], heads, anchor) == []
    wrong = Head(anchor.seq, GENESIS)
    assert [each.code for each in compare_chains(entries[3:], heads, wrong)] == ["differs"]


def test_an_export_may_begin_anywhere() -> None:
    """And an entry that was delivered twice is no fault."""
    entries = chain(5)[2:]

    assert codes([entries[0], *entries], anchor=None) == []


def test_a_changed_entry_is_none_that_came_twice() -> None:
    """Though it has the number and the hash of the first."""
    entries = chain(3)

    assert codes([*entries, with_fact(entries[0], "actor", "Bình")]) == [
        (1, "changed"),
        (1, "restarted"),
    ]


def test_what_the_outbox_adds_is_not_covered() -> None:
    """It corrects times, and says what came late."""
    entry = chain(1)[0]
    sent = {**entry.tree, "id": "01", "n": 7, "ep": 3, "t": 5, "t0": 4, "mono": 1.5, "late": True}

    assert parse_entry(json.loads(json.dumps(sent))) == entry


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": 0},
        {"seq": "1"},
        {"seq": True},
        {"prev": "0"},
        {"hash": None},
        {"at": -1},
        {"type": 7},
    ],
)
def test_what_has_no_place_in_a_chain_is_no_entry(wrong: dict[str, Any]) -> None:
    """Other events stand beside them."""
    assert parse_entry({**chain(1)[0].tree, **wrong}) is None


def test_facts_that_are_no_json_are_refused() -> None:
    """Rather than hashed in a form that nobody can verify."""
    with pytest.raises(MessageRejected):
        append(BEFORE, Event("session", {"n": 2**60}, "audit"), 0)


def test_a_fact_does_not_take_the_place_of_a_link() -> None:
    """It gets an underscore, as in every event; the hash covers it."""
    entry = append(BEFORE, Event("session", {"seq": 99, "n": 7}, "audit"), 0)

    assert (entry.head.seq, entry.tree["seq_"], entry.tree["n_"]) == (1, 99, 7)
    assert codes([entry]) == []


FACTS = st.dictionaries(
    st.text(max_size=8),
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    max_size=5,
)


@given(facts=FACTS)
def test_any_fact_survives_the_wire(facts: dict[str, object]) -> None:
    """An entry that was written as JSON and read again still fits its hash."""
    try:
        entry = append(BEFORE, Event("session", facts, "audit"), 0)
    except MessageRejected:  # half of a surrogate pair
        return
    again = parse_entry(json.loads(json.dumps(entry.tree)))

    assert again is not None
    assert codes([again]) == []


@given(
    order=st.permutations(range(6)),
    left=st.sets(st.integers(0, 5), min_size=1, max_size=6),
)
def test_only_the_whole_chain_in_its_order_is_right(order: list[int], left: set[int]) -> None:
    """Whatever is left out or exchanged; the end alone may be missing."""
    entries = chain(6)
    picked = [entries[index] for index in order if index in left]
    whole = picked == entries[: len(picked)]

    assert (codes(picked) == []) is whole
