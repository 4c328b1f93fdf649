"""Strict JSON: what is refused, where, and that nothing else than a refusal comes out."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import MessageRejected
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, UNPACKED_BYTES, decode_tree, encode
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN
from gateway.runtime.strict_json import MAX_DEPTH
from tests.fixtures.clock import cpu_time_ratio

REFUSED = {
    "empty": (b"", "json"),
    "cut short": (b'{"a":1', "json"),
    "two values": (b'{"a":1}{"a":1}', "json"),
    "a list": (b"[1]", "json.type"),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "json.bom"),
    "bad utf-8": (b'{"a":"\xff"}', "utf8"),
    "utf-16": ('{"a":1}'.encode("utf-16"), "utf8"),
    "overlong utf-8": (b'{"a":"\xc0\xaf"}', "utf8"),
    "surrogate in utf-8": (b'{"a":"\xed\xa0\x80"}', "utf8"),
    "lone surrogate": (b'{"a":"\\ud800"}', "json.surrogate"),
    "lone low surrogate": (b'{"a":"\\uDC00x"}', "json.surrogate"),
    "lone surrogate in a key": (b'{"\\ud800":1}', "json.surrogate"),
    "duplicate key": (b'{"a":1,"a":2}', "json.duplicate"),
    "duplicate key, escaped": (b'{"a":1,"\\u0061":2}', "json.duplicate"),
    "duplicate key, deep": (b'{"x":[{"a":1,"a":1}]}', "json.duplicate"),
    "NaN": (b'{"a":NaN}', "json.number"),
    "Infinity": (b'{"a":-Infinity}', "json.number"),
    "1e999": (b'{"a":1e999}', "json.number"),
    "5000 digits": (b'{"a":' + b"9" * 5000 + b"}", "json.number"),
    "too deep": (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "json.depth"),
    "abyss": (b'{"a":' + b"[" * 60_000, "json.depth"),
    "control character": (b'{"a":"\x00"}', "json"),
    "too large": (b" " * (PAYLOAD_BYTES + 1), "size"),
}


@pytest.mark.parametrize(("payload", "code"), REFUSED.values(), ids=REFUSED)
def test_what_two_parsers_might_read_differently_is_refused(payload: bytes, code: str) -> None:
    """Each kind of broken payload has its code."""
    with pytest.raises(MessageRejected) as caught:
        decode_tree(payload)

    assert caught.value.faults[0].code == code


def test_a_whole_surrogate_pair_is_fine() -> None:
    """An escaped character beyond the basic plane is a character."""
    assert decode_tree(b'{"a":"\\ud83d\\udcf7"}') == {"a": "\U0001f4f7"}


def test_brackets_in_strings_do_not_nest() -> None:
    """Depth counts structure only, escaped quotes included."""
    assert decode_tree(json.dumps({"a": '"' + "[" * 100}).encode())


@pytest.mark.parametrize("unit", [b'\\"', b'"', b"[", b"\\", b'"a":', b"{"])
def test_hostile_repetition_is_read_in_linear_time(unit: bytes) -> None:
    """The largest payload of any repeated token takes as much longer as it is larger."""

    def refused(size_bytes: int) -> None:
        with pytest.raises(MessageRejected):
            decode_tree((b'{"a":"' + unit * size_bytes)[:size_bytes])

    assert cpu_time_ratio(refused, PAYLOAD_BYTES // 32, PAYLOAD_BYTES) < 32 * 5  # by squares: 1024


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not zlib",
        zlib.compress(b"{}")[:-1],
        zlib.compress(b" " * (UNPACKED_BYTES + 1)),
        zlib.compress(b" " * 60_000_000),
    ],
    ids=["empty", "not zlib", "cut short", "one byte too much", "bomb"],
)
def test_what_cannot_be_unpacked_in_bounds_is_refused(payload: bytes) -> None:
    """A bomb is cut off at a megabyte."""
    with pytest.raises(MessageRejected) as caught:
        decode_tree(payload, COMPRESSED)

    assert caught.value.faults[0].code.startswith(("zlib", "size"))


def test_an_unknown_content_type_is_refused() -> None:
    """What we cannot name we do not guess."""
    with pytest.raises(MessageRejected) as caught:
        decode_tree(b"{}", "application/cbor")

    assert caught.value.faults[0].code == "content_type"


@given(st.binary(max_size=300), st.sampled_from([PLAIN, COMPRESSED, ""]))
def test_any_bytes_are_read_or_rejected(payload: bytes, content_type: str) -> None:
    """Nothing else than an object or a rejection comes out."""
    try:
        tree = decode_tree(payload, content_type)
    except MessageRejected:
        return
    assert isinstance(tree, dict)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_LEAF = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | _TEXT


@given(st.dictionaries(_TEXT, _LEAF | st.lists(_LEAF, max_size=4), max_size=6))
def test_what_is_sealed_can_be_read(tree: dict[str, object]) -> None:
    """Round trip, compressed or not."""
    content_type, payload = encode(tree)

    assert decode_tree(payload, content_type) == tree
