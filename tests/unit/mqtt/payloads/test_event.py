"""Events under the names of two versions of the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.event import Event
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.payloads.event import (
    FORMER_KINDS,
    FORMER_LINK_STATES,
    EventStamp,
    decode_event,
    encode_record,
    former_event,
)
from gateway.mqtt.topic_tree import PLAIN

STAMP = EventStamp("01JD80QZ6V5GKXW1Q6WZ3A9B2C", 7, 1, 1_764_000_000_000, 1.5)
RENAMED = [
    (Event(kind, {"topic": "x"}, "audit"), former, kind) for kind, former in FORMER_KINDS.items()
] + [(Event("link", {"st": state}), "link", state) for state in FORMER_LINK_STATES]


@pytest.mark.parametrize(("event", "kind", "present"), RENAMED)
def test_an_event_is_said_once_more_by_its_former_name(
    event: Event, kind: str, present: str
) -> None:
    """With the same facts, and with the name that a newer reader knows it by."""
    former = former_event(event)

    assert former is not None
    tree = decode_tree(encode_record(former, STAMP))
    assert (tree["type"], tree["alias_of"]) == (kind, present)
    assert former.weight == event.weight
    for name, fact in event.facts.items():
        assert tree[name] == FORMER_LINK_STATES.get(str(fact), fact)


@pytest.mark.parametrize(("event", "present"), [(event, now) for event, _, now in RENAMED])
def test_readers_take_the_former_name_for_the_present_one(event: Event, present: str) -> None:
    """Also from a gateway that knows no other: it sends no ``alias_of``."""
    former = former_event(event)
    assert former is not None
    facts = {name: fact for name, fact in former.facts.items() if name != "alias_of"}

    again = decode_event(encode_record(former, STAMP), PLAIN)
    older = decode_event(encode_record(replace(former, facts=facts), STAMP), PLAIN)

    assert (again.kind, again.facts, again.alias_of) == (event.kind, event.facts, present)
    assert (older.kind, older.facts, older.alias_of) == (event.kind, event.facts, None)


@pytest.mark.parametrize(
    "event", [Event("link", {"st": "up"}), Event("test", {"st": "echo_missing"})]
)
def test_an_event_with_one_name_is_said_once(event: Event) -> None:
    """Only what was renamed is repeated."""
    assert former_event(event) is None
