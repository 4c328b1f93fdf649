"""Commands on the wire: what is read, what is refused, and that nothing else ever happens."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import Fault, MessageRejected
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads import command as command_payload
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.command import (
    COMMAND_BYTES,
    Broadcast,
    CentreState,
    CommandRequest,
    Reply,
    decode_command_tree,
    decode_reply,
    decode_small,
    encode_reply,
    parse_request,
    reply_bytes,
    reply_faults,
    request_id,
)
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN
from tests.fixtures.commands import envelope

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_a_command_is_read_whole() -> None:
    """What it does not know is ignored; what it knows has exact types."""
    said = parse_request(envelope("probe", {"cam": "c07"}, t=1, anything={"new": 1}))

    assert (said.name, said.args, said.actor, said.ttl_s) == ("probe", {"cam": "c07"}, "op-17", 30)
    assert (said.dry_run, said.gateway, said.signature) == (False, "hcm-q1-01", None)


@given(st.dictionaries(st.sampled_from([*envelope("dig"), "sig", "dry_run", "x"]), ANYTHING))
def test_whatever_comes_is_read_or_refused_with_its_place(parts: dict[str, object]) -> None:
    """Nothing else is raised, and every fault has a code."""
    payload = json.dumps({**envelope("dig"), **parts}).encode()
    faults: tuple[Fault, ...] = ()
    with suppress(MessageRejected):
        try:
            assert isinstance(parse_request(decode_command_tree(payload, PLAIN)), CommandRequest)
        except MessageRejected as error:
            faults = error.faults
            raise
    assert all(fault.code for fault in faults)


@given(st.binary(max_size=400), st.sampled_from([PLAIN, COMPRESSED, "", "text/plain"]))
def test_any_bytes_are_read_or_refused(payload: bytes, content_type: str) -> None:
    """A reader of the network never falls over."""
    for read in (
        lambda: parse_request(decode_command_tree(payload, content_type)),
        lambda: decode_small(Broadcast, payload, content_type),
        lambda: decode_small(CentreState, payload, content_type),
        lambda: decode_reply(payload, content_type),
    ):
        with pytest.raises(MessageRejected):
            read()


@given(ANYTHING)
def test_an_id_is_found_or_not(value: object) -> None:
    """However wrong the rest."""
    found = request_id({"id": value, "args": value})

    assert found is None or found == value


def test_what_is_packed_is_no_larger_unpacked() -> None:
    """A command of 16 KiB is one packed too."""
    content_type, payload = encode({"id": "dig-0001", "pad": "a" * COMMAND_BYTES})

    assert content_type == COMPRESSED
    assert len(payload) < 100
    with pytest.raises(MessageRejected, match=r"zlib\.size"):
        decode_command_tree(payload, content_type)


def test_a_reply_is_read_as_it_was_written() -> None:
    """With its stamp, and without what it has not got."""
    faults = reply_faults((Fault("/args/cam", "not_found", "there is no such camera here"),))
    said = Reply(id="dig-00001", state="rejected", code="bad_args", errors=faults)
    content_type, payload = encode_reply(Stamp(123, 1042, 8812), said)

    assert json.loads(payload) == {
        "id": "dig-00001",
        "st": "rejected",
        "code": "bad_args",
        "errors": [{"at": "/args/cam", "code": "not_found", "msg": "there is no such camera here"}],
        "t": 123,
        "ep": 1042,
        "n": 8812,
    }
    assert decode_reply(payload, content_type).errors == faults
    assert Reply.model_validate_json(reply_bytes(said)) == said


def test_log_lines_carry_what_was_lost() -> None:
    """And nothing about loss where there is none."""
    said = [
        json.loads(command_payload.encode_log_lines(Stamp(1, 2, 3), ("{}",), lost)[1])
        for lost in (0, 4)
    ]

    assert said[0] == {"t": 1, "ep": 2, "n": 3, "lines": ["{}"]}
    assert said[1]["lost"] == 4
