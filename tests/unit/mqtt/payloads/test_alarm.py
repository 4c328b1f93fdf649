"""Alarms are read as they were written, and nothing else is read as one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.alarm import Alarm
from gateway.model.errors import MessageRejected
from gateway.model.names import new_id
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.alarm import decode_alarm, encode_alarm
from gateway.mqtt.payloads.numbers import TIME_MS
from gateway.mqtt.topics import Topics, parse_topic
from tests.fixtures.reports import STAMP

DOWN = Alarm(
    key="cam.c07.down",
    id="01JD7Q3T8M0V4XKQ2Z5B6N7P8R",
    raised=True,
    severity="major",
    since_ms=1_763_999_955_000,
    cause=Reason.TIMEOUT,
    arguments={"cam": "c07", "tries": 5},
    parent="nvr.nvr1.down",
)


def test_the_wire_is_the_contracts() -> None:
    """Codes and values; keys as the contract spells them."""
    content_type, payload = encode_alarm(STAMP, DOWN)

    assert content_type == "application/json"
    assert json.loads(payload) == {
        "id": DOWN.id,
        "key": "cam.c07.down",
        "st": "raised",
        "sev": "major",
        "since": 1_763_999_955_000,
        "t": 1_764_000_000_123,
        "ep": 1042,
        "n": 8812,
        "cause": "TIMEOUT",
        "args": {"cam": "c07", "tries": 5},
        "flap": False,
        "changes": 0,
        "parent": "nvr.nvr1.down",
    }


alarms = st.builds(
    Alarm,
    key=st.from_regex(r"\A[a-z0-9.-]{1,64}\Z"),
    id=st.text(max_size=26),
    raised=st.booleans(),
    severity=st.sampled_from(["warning", "minor", "major", "critical"]),
    since_ms=st.integers(*TIME_MS),
    cause=st.sampled_from(Reason),
    arguments=st.dictionaries(
        st.text(max_size=20), st.text(max_size=20) | st.integers(-(2**53), 2**53), max_size=16
    ),
    flapping=st.booleans(),
    changes=st.integers(0, 1000),
    parent=st.none() | st.from_regex(r"\A[a-z0-9.-]{1,64}\Z"),
)


@given(alarms)
def test_what_is_written_is_read(said: Alarm) -> None:
    """Every alarm there can be."""
    content_type, payload = encode_alarm(STAMP, said)

    assert decode_alarm(payload, content_type) == (STAMP, said)


@given(st.binary(max_size=200))
def test_anything_else_is_rejected(payload: bytes) -> None:
    """With faults, never with anything else."""
    with pytest.raises(MessageRejected):
        decode_alarm(payload, "application/json")


@pytest.mark.parametrize(
    ("field", "value"),
    [("key", "UPPER"), ("st", "open"), ("sev", "bad"), ("cause", "?"), ("since", -1), ("args", [])],
)
def test_a_fault_has_its_place(field: str, value: object) -> None:
    """The reader says which field is wrong."""
    content_type, payload = encode_alarm(STAMP, DOWN)
    tree = json.loads(payload) | {field: value}

    with pytest.raises(MessageRejected) as caught:
        decode_alarm(json.dumps(tree).encode(), content_type)

    assert next(fault.at for fault in caught.value.faults).startswith(f"/{field}")


def test_a_key_stands_in_the_topic() -> None:
    """Whatever key is written can be subscribed to."""
    place = parse_topic(Topics("79", "hcm-q1-01").alarm(DOWN.key))

    assert place is not None
    assert place.levels == {"key": DOWN.key}


def test_ids_differ_and_keep_the_order_of_time() -> None:
    """26 messages each."""
    first, second = new_id(), new_id()

    assert first != second
    assert len(first) == 26
    assert first[:6] <= second[:6]
