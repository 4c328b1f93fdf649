"""What goes through the pipe comes out as it went in; what nobody can have meant is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.slates.pipe import (
    MAX_TEXT_BYTES,
    REQUEST_BYTES,
    Command,
    SlateRequest,
    pack_picture,
    parse_picture,
    parse_request,
    text_bytes,
)
from gateway.slates.slate_format import SLATE_CODECS, SlateFormat
from gateway.vision.pipe import MalformedMessage

_short = st.text(st.characters(codec="utf-8"), max_size=100)
_side = st.integers(1, 2048).map(lambda half: half * 2)
_aspect = st.tuples(st.integers(0, 65535), st.integers(0, 65535))
_formats = st.builds(
    SlateFormat,
    st.sampled_from(SLATE_CODECS),
    _side,
    _side,
    st.integers(0, 255),
    st.integers(0, 255),
    _aspect,
)


@given(
    st.builds(
        SlateRequest,
        st.sampled_from(Command),
        st.integers(0, 2**32 - 1),
        st.booleans(),
        _formats,
        st.tuples(_short, _short, _short),
    )
)
def test_a_request_comes_out_as_it_went_in(request: SlateRequest) -> None:
    """Whatever is in it."""
    raw = request.pack()

    head, body = raw[:REQUEST_BYTES], raw[REQUEST_BYTES:]
    assert text_bytes(head) == len(body)
    assert parse_request(head, body) == request


def test_a_text_is_cut_between_characters() -> None:
    """It is shown all the same."""
    form = SlateFormat("h264", 64, 64, 66, 0)
    raw = SlateRequest(Command.PICTURE, 1, True, form, ("ờ" * 1000, "", "")).pack()

    text = parse_request(raw[:REQUEST_BYTES], raw[REQUEST_BYTES:]).texts[0]

    assert text == "ờ" * (MAX_TEXT_BYTES // 3)


@given(st.binary(min_size=REQUEST_BYTES, max_size=REQUEST_BYTES), st.binary(max_size=64))
def test_a_broken_request_is_refused(head: bytes, body: bytes) -> None:
    """With the one error that ends the child."""
    with pytest.raises(MalformedMessage):
        text_bytes(head)
    with pytest.raises(MalformedMessage):
        parse_request(b"SLT\x01" + head[4:20] + bytes([255] * (REQUEST_BYTES - 20)), body)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.booleans())
def test_a_picture_comes_out_as_it_went_in(nals: list[bytes], keyframe: bool) -> None:
    """Its NAL units, and whether a decoder can start there."""
    assert parse_picture(pack_picture(nals, keyframe=keyframe)) == (nals, keyframe)


@given(st.binary(max_size=40))
def test_a_broken_picture_raises_the_one_error(body: bytes) -> None:
    """Or is one by chance."""
    try:
        nals, _ = parse_picture(body)
    except MalformedMessage:
        return
    assert all(nals)


def test_texts_longer_than_any_of_ours_are_refused_by_the_header() -> None:
    """Before they are read."""
    form = SlateFormat("h264", 64, 64, 66, 0)
    head = SlateRequest(Command.PICTURE, 1, True, form).pack()[:REQUEST_BYTES]
    longer = head[:-2] + struct.pack("!H", MAX_TEXT_BYTES + 1)

    with pytest.raises(MalformedMessage, match="no request"):
        text_bytes(longer)


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (0, 64), (64, 0), (4098, 64), (64, 4098)])
def test_a_size_that_is_odd_none_or_too_large_is_refused(size: tuple[int, int]) -> None:
    """4:2:0 has a chroma sample for two by two pixels."""
    raw = SlateRequest(Command.PICTURE, 1, True, SlateFormat("h264", *size, 66, 0)).pack()

    with pytest.raises(MalformedMessage, match="no size"):
        parse_request(raw[:REQUEST_BYTES], raw[REQUEST_BYTES:])
