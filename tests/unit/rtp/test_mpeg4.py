"""MPEG-4 Visual out of RTP payloads (RFC 6416), beside what FFmpeg writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.mpeg4 import Mpeg4Assembler, headers_of, parse_head
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_HEAD_BYTES
from tests.fixtures.coded_pictures import coded_pictures

VOP = b"\x00\x00\x01\xb6"


def picture_of(assembler: Mpeg4Assembler, coded: bytes, limit: int = 300) -> tuple[bytes, bool]:
    """Return what *assembler* makes of *coded* in pieces, and whether it is a keyframe."""
    for at in range(0, len(coded), limit):
        assembler.push(coded[at : at + limit])
    (picture,) = assembler.build()
    return b"".join(picture.payloads), picture.keyframe


def config() -> bytes:
    """Return the headers in front of FFmpeg's first picture."""
    first = coded_pictures("mpeg4", 3)[0]
    return headers_of(first[: first.index(VOP)])


def test_the_headers_tell_the_size() -> None:
    """As FFmpeg writes them."""
    info = parse_head(config())

    assert (info.width, info.height, info.profile) == (320, 240, "Simple")
    assert not info.interlaced


def test_headers_in_band_are_put_before_later_keyframes() -> None:
    """They come once; each keyframe can be started at."""
    pictures = coded_pictures("mpeg4", 14)
    assembler = Mpeg4Assembler()

    made = [picture_of(assembler, coded) for coded in pictures]

    keyframes = [index for index, (_, keyframe) in enumerate(made) if keyframe]
    assert keyframes == [0, 12]
    assert made[12][0].startswith(config())
    assert made[1][0] == pictures[1]


def test_without_headers_nothing_can_be_started_at() -> None:
    """Those of the session description do as well."""
    first = coded_pictures("mpeg4", 3)[0]
    bare = first[first.index(VOP) :]

    assert picture_of(Mpeg4Assembler(), bare) == (bare, False)
    assert picture_of(Mpeg4Assembler(config()), bare) == (config() + bare, True)


def test_headers_by_themselves_are_kept() -> None:
    """Some cameras send them with a time of their own."""
    assembler = Mpeg4Assembler()
    assembler.push(config())
    with pytest.raises(Malformed):
        assembler.build()

    first = coded_pictures("mpeg4", 3)[0]
    assert picture_of(assembler, first[first.index(VOP) :])[1]


def test_the_rest_of_a_picture_is_none() -> None:
    """Its beginning is lost."""
    with pytest.raises(Malformed):
        Mpeg4Assembler().push(b"\x12\x34\x56\x78")


def test_headers_are_bounded() -> None:
    """A megabyte of user data is no header."""
    assert headers_of(config() + b"\x00\x00\x01\xb2" + bytes(MAX_HEAD_BYTES)) == b""


@given(st.binary(max_size=100), st.binary(max_size=60))
def test_no_bytes_do_anything_but_be_malformed(payload: bytes, head: bytes) -> None:
    """Neither payloads nor headers."""
    assembler = Mpeg4Assembler()
    for each in (b"\x00\x00\x01" + payload, VOP + payload, b"\x00\x00\x01\x20" + head):
        try:
            assembler.push(each)
            assembler.build()
        except Malformed:
            assembler.clear()
    try:
        parse_head(b"\x00\x00\x01\x20" + head)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("shape", "told"), [((16, 15), (16, 15)), ((16, 0), None), ((0, 15), None)]
)
def test_a_pixel_of_no_size_is_none(shape: tuple[int, int], told: tuple[int, int] | None) -> None:
    """Whoever reckons with it would divide by nothing."""
    bits = f"0{1:08b}0{15:04b}{shape[0]:08b}{shape[1]:08b}"  # of the object layer, up to there
    bits += f"0001{25:016b}101{320:013b}1{240:013b}10"
    layer = int(f"{bits:0<96}", 2).to_bytes(12)

    info = parse_head(b"\x00\x00\x01\x20" + layer)

    assert (info.width, info.height, info.pixel_aspect) == (320, 240, told)
