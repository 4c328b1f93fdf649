"""How the machine test tells facts, and reads what the guest's centre has heard."""

from __future__ import annotations

import io
import json

import pytest

from tests.machines.box import payload_of
from tests.machines.facts import Facts, Look, asked_for
from tests.machines.machine import MachineLost


def told(facts: Facts) -> list[dict[str, object]]:
    assert isinstance(facts.out, io.StringIO)
    return [json.loads(line) for line in facts.out.getvalue().splitlines()]


def test_a_fact_that_does_not_hold_makes_the_verdict() -> None:
    """One is enough; what was seen is told beside it."""
    facts = Facts(io.StringIO(), now=lambda: 5.0)
    facts.fact("first", True, seen=2)
    facts.fact("second", "")

    assert facts.close() == 1
    assert told(facts) == [
        {"t_s": 0, "fact": "first", "ok": True, "seen": 2},
        {"t_s": 0, "fact": "second", "ok": False},
        {"t_s": 0, "held": 1, "false": "second"},
    ]


def test_nothing_seen_is_no_success() -> None:
    """A run without facts has proved nothing."""
    assert Facts(io.StringIO()).close() == 1


def test_a_look_that_fails_is_a_fact_and_the_next_one_follows() -> None:
    """What it raises is told."""
    facts = Facts(io.StringIO())

    def full_disk() -> None:
        raise ValueError("exit 1: no such file")

    facts.attempt(Look("full disk", full_disk))

    assert facts.false == ["full disk"]
    assert "no such file" in str(told(facts)[0]["error"])


def test_a_lost_machine_ends_it() -> None:
    """There is nothing left to look at."""
    facts = Facts(io.StringIO())

    def look() -> None:
        raise MachineLost("no shell")

    with pytest.raises(MachineLost):
        facts.attempt(Look("look", look))
    assert facts.false == ["look"]


LOOKS = (Look("ready", print, always=True), Look("killed", print), Look("full disk", print))


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        ((), ["ready", "killed", "full disk"]),
        (("full disk",), ["ready", "full disk"]),
    ],
)
def test_what_is_asked_for_is_looked_at(names: tuple[str, ...], taken: list[str]) -> None:
    """And what it builds on."""
    assert [look.name for look in asked_for(LOOKS, names)] == taken


def test_a_look_that_there_is_not_is_told() -> None:
    """A slip of the pen proves nothing; the names that there are stand beside it."""
    with pytest.raises(LookupError, match=r"called fulldisk; there are: ready, killed, full disk"):
        list(asked_for(LOOKS, ("fulldisk",)))


@pytest.mark.parametrize(
    ("line", "payload"),
    [
        ('{"topic":"cgw/v1/24/g/up/birth","payload":"{\\"a\\":1}"}', {"a": 1}),
        ('{"topic":"cgw/v1/24/g/up/birth","payload":{"a":1}}', {"a": 1}),
        ('{"topic":"cgw/v1/24/g/up/event","payload":"{}"}', None),
        ('{"topic":"cgw/v1/24/g/up/birth","payload":"[1]"}', None),
        ('{"topic":"cgw/v1/24/g/up/birth","payl', None),
        ("7", None),
    ],
)
def test_what_the_centre_heard(line: str, payload: object) -> None:
    """Of one topic; a line that is cut off, or another's, is none."""
    assert payload_of(line, "up/birth") == payload
