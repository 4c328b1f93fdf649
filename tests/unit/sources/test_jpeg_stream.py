"""JPEG pictures found in bytes that say nothing else of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_PICTURE_BYTES
from gateway.sources.jpeg_stream import MOST_BETWEEN_BYTES, JpegStream
from tests.fixtures.calls import calls_of
from tests.fixtures.coded_pictures import coded_pictures

PREVIEW = b"\xff\xd8\xff\xda\x00\x02small\xff\xd9"
WITH_PREVIEW = b"\xff\xd8\xff\xff\xe1\x00\x0f" + PREVIEW + b"\xff\xda\x00\x02large\xff\x00\xff\xd9"
PICTURES = [*coded_pictures("mjpeg", 3), WITH_PREVIEW, PREVIEW]


def found(data: bytes, cut: int | None = None) -> list[bytes]:
    """Return what is found in *data*, read *cut* bytes at a time."""
    stream, cut = JpegStream(), cut or len(data) or 1
    return [each for at in range(0, len(data), cut) for each in stream.feed(data[at : at + cut])]


@pytest.mark.parametrize("between", [b"", b"\r\n", bytes(900), b"\xff\xd8", b"--x\r\nA: b\r\n\r\n"])
@pytest.mark.parametrize("cut", [None, 1, 7, 1_460])
def test_each_picture_comes_whole(between: bytes, cut: int | None) -> None:
    """Whatever stands between them, however the bytes are cut, previews and all."""
    assert found(between + between.join(PICTURES), cut) == PICTURES


def test_what_begins_like_a_picture_and_is_none_is_passed_over() -> None:
    """The next is found."""
    assert found(b"\xff\xd8\xff\xe0\x00\x04xx no picture" + PICTURES[0]) == PICTURES[:1]


@pytest.mark.parametrize(
    "data",
    [
        bytes(MOST_BETWEEN_BYTES + 100),
        bytes(MOST_BETWEEN_BYTES + 100) + PREVIEW,
        PREVIEW[:-2] + bytes(MAX_PICTURE_BYTES),
    ],
    ids=["nothing", "late", "endless"],
)
def test_everything_is_bounded(data: bytes) -> None:
    """What is too large is told."""
    with pytest.raises(Malformed):
        found(data, 65_536)


@pytest.mark.parametrize(
    "unit", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x02", b"\xff", b"\xff\xd8"]
)
def test_nothing_is_dearer_than_its_length(unit: bytes) -> None:
    """Beginnings without end, in small reads."""
    once, twice = unit * 3_000, unit * 6_000

    assert calls_of(lambda: found(twice, 500)) < 2.2 * calls_of(lambda: found(once, 500)) + 99


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_bytes_do_anything_but_be_passed_over(data: bytes, cut: int) -> None:
    """And the cuts change nothing."""
    assert found(data, cut) == found(data)
