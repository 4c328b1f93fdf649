"""AMF 0: all that we write is read again, and nothing a camera writes is dear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtmp.amf0 import MOST_DEPTH, MOST_VALUES, decode, decode_beginning, encode
from gateway.rtp.packet import Malformed

names = st.text(min_size=1, max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(st.lists(values.filter(lambda value: depth(value) < MOST_DEPTH), max_size=5))
def test_what_is_written_is_read_again(written: list[object]) -> None:
    """Numbers, booleans, texts, null, arrays and objects, in each other."""
    assert decode(encode(written)) == written


def test_a_long_text_is_read_again() -> None:
    """It has a length of four bytes."""
    assert decode(encode(["ộ" * 40_000])) == ["ộ" * 40_000]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """With our error only."""
    try:
        decode(data)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x06", None),
        (b"\x0b" + bytes(8) + b"\x00\x00", 0.0),
        (b"\x0f\x00\x00\x00\x01x", "x"),
        (b"\x08\x00\x00\x00\x07\x00\x01a\x01\x01\x00\x00\x09", {"a": True}),
        (b"\x10\x00\x01T\x00\x01a\x05\x00\x00\x09", {"a": None}),
    ],
)
def test_what_only_servers_write_is_read(data: bytes, value: object) -> None:
    """Undefined, date, XML, ECMA array (whose count means nothing), typed object."""
    assert decode(data) == [value]


@pytest.mark.parametrize("odd", [b"\x07\x00\x01", b"\x11\x0a\x01", b"\x00\x00", b"\x03\x00\x01a"])
def test_what_stands_before_something_odd_is_read(odd: bytes) -> None:
    """A reference, AMF 3, a value that is cut off: what a command means comes first."""
    assert decode_beginning(encode(["onBWDone", 0.0]) + odd) == ["onBWDone", 0.0]


def test_a_command_without_a_name_is_none() -> None:
    """Nothing of it can be read."""
    with pytest.raises(Malformed):
        decode_beginning(b"\x11\x0a" + encode(["onStatus"]))


@pytest.mark.parametrize(
    "data",
    [
        encode([None]) * (MOST_VALUES + 1),
        b"\x03\x00\x01a" * (MOST_DEPTH + 2),
        b"\x0a\x00\x00\x00\x01" * (MOST_DEPTH + 2) + b"\x05",
        b"\x0a\xff\xff\xff\xff",
        b"\x0c\xff\xff\xff\xffx",
        b"\x07\x00\x01",
        b"\x11\x01",
        b"\x00\x00",
        b"\x03\x00\x01a",
    ],
)
def test_what_no_command_needs_is_refused(data: bytes) -> None:
    """Too many, too deep, too long, references, AMF 3, cut off."""
    with pytest.raises(Malformed):
        decode(data)


@pytest.mark.parametrize(("length", "kind"), [(0xFFFF, 0x02), (0x1_0000, 0x0C)])
def test_a_text_is_long_only_where_it_must_be(length: int, kind: int) -> None:
    """Simple servers read no long texts."""
    assert encode(["x" * length])[0] == kind
