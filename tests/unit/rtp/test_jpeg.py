"""JPEG out of RTP payloads (RFC 2435), beside what libjpeg writes."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.jpeg_payloads import jpeg_payloads
from gateway.rtp.jpeg import EXTENSION, JpegAssembler, parse_head, split_picture
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_HEAD_BYTES, MAX_PICTURE_BYTES
from tests.fixtures.coded_pictures import coded_pictures

IMAGE = np.tile(np.arange(0, 240, dtype=np.uint8), (240, 1)).repeat(3).reshape(240, 240, 3)


def libjpeg(quality: int) -> bytes:
    _, coded = cv2.imencode(".jpg", IMAGE, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return bytes(coded.tobytes())


def decoded(jpeg: bytes) -> av.VideoFrame:
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    return decoder.decode(av.Packet(jpeg))[0]


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 99])
def test_the_tables_are_those_of_libjpeg(quality: int) -> None:
    """Q from 1 to 99 is what the Independent JPEG Group's library makes of that quality."""
    theirs = libjpeg(quality)
    samples = split_picture(theirs).body
    assembler = JpegAssembler()
    assembler.push(bytes((0, 0, 0, 0, 1, quality, 30, 30)) + samples)

    (ours,) = assembler.build()

    assert (decoded(b"".join(ours.payloads)).to_ndarray() == decoded(theirs).to_ndarray()).all()


def test_stated_tables_are_taken() -> None:
    """As a camera with a coder of its own sends them."""
    (jpeg,) = coded_pictures("mjpeg", 1)
    payloads = jpeg_payloads(jpeg, 500)
    assembler = JpegAssembler()
    for payload in payloads:
        assembler.push(payload)

    (picture,) = assembler.build()

    assert parse_head(picture.head).width == 320
    assert (decoded(b"".join(picture.payloads)).to_ndarray() == decoded(jpeg).to_ndarray()).all()


def test_tables_are_kept_for_pictures_that_only_name_them() -> None:
    """Q from 128 to 254 may leave them out after the first time; 255 may not."""
    tables = bytes(range(1, 65)) * 2
    assembler = JpegAssembler()
    stated = bytes((0, 0, 0, 0, 1, 200, 40, 30, 0, 0, 0, 128)) + tables + b"x"
    assembler.push(stated)
    (first,) = assembler.build()
    assembler.push(bytes((0, 0, 0, 0, 1, 200, 40, 30, 0, 0, 0, 0)) + b"x")

    assert assembler.build() == (first,)
    with pytest.raises(Malformed, match="never came"):
        assembler.push(bytes((0, 0, 0, 0, 1, 255, 40, 30, 0, 0, 0, 0)) + b"x")


def test_the_size_of_a_large_picture_comes_from_elsewhere() -> None:
    """From the ONVIF header extension first, then from the session description."""
    payload = bytes((0, 0, 0, 0, 1, 50, 0, 0)) + b"x"
    sof = bytes.fromhex("ffc0001108") + (1944).to_bytes(2) + (2592).to_bytes(2)
    sof += bytes.fromhex("03012200021101031101")
    told = JpegAssembler((3840, 2160))
    told.push(payload)
    extended = JpegAssembler((3840, 2160))
    extended.push(payload, (EXTENSION, sof + b"\xff\xff\xff"))
    silent = JpegAssembler()

    sizes = [parse_head(each.build()[0].head) for each in (told, extended)]

    assert [(each.width, each.height) for each in sizes] == [(3840, 2160), (2592, 1944)]
    with pytest.raises(Malformed, match="unknown size"):
        silent.push(payload)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"\0" * 7, "shorter"),
        (bytes((0, 0, 0, 9, 1, 50, 40, 30)), "wrong place"),
        (bytes((0, 0, 0, 0, 2, 50, 40, 30)), "type 2"),
        (bytes((0, 0, 0, 0, 1, 0, 40, 30)), "quality 0"),
        (bytes((0, 0, 0, 0, 1, 100, 40, 30)), "quality 100"),
        (bytes((0, 0, 0, 0, 65, 50, 40, 30, 0)), "restart"),
        (bytes((0, 0, 0, 0, 1, 255, 40, 30, 0)), "quantisation header"),
        (bytes((0, 0, 0, 0, 1, 255, 40, 30, 0, 0, 0, 128)), "tables cut off"),
        (bytes((0, 0, 0, 0, 1, 255, 40, 30, 0, 1, 0, 64)) + bytes(64), "tables cut off"),
    ],
)
def test_what_is_no_payload_is_told(payload: bytes, said: str) -> None:
    """Each by its own words."""
    with pytest.raises(Malformed, match=said):
        JpegAssembler().push(payload)


def test_a_picture_is_bounded() -> None:
    """However many payloads follow each other in the right places."""
    assembler = JpegAssembler()
    for at in range(0, MAX_PICTURE_BYTES - 65_536, 65_536):
        assembler.push(bytes((0, *at.to_bytes(3), 1, 50, 40, 30)) + bytes(65_536))
    last = bytes((0, *(MAX_PICTURE_BYTES - 65_536).to_bytes(3), 1, 50, 40, 30)) + bytes(65_537)

    with pytest.raises(Malformed, match="larger"):
        assembler.push(last)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_payload_does_anything_but_be_malformed(payloads: list[bytes]) -> None:
    """Random ones, and random ones behind a right beginning."""
    assembler = JpegAssembler()
    for payload in payloads:
        try:
            assembler.push(payload)
            assembler.push(payload[:4].ljust(8, b"\x01") + payload)
        except Malformed:
            assembler.clear()
    if assembler.begun:
        parse_head(assembler.build()[0].head)


def test_a_file_is_taken_apart_and_comments_are_left_out() -> None:
    """Application data of a megabyte is not what a decoder needs."""
    jpeg = libjpeg(80)
    noise = b"".join(b"\xff\xe1\xff\xff" + bytes(65_533) for _ in range(8))

    picture = split_picture(jpeg[:2] + noise + jpeg[2:])

    assert len(picture.head) <= MAX_HEAD_BYTES
    assert (decoded(b"".join(picture.payloads)).to_ndarray() == decoded(jpeg).to_ndarray()).all()


def test_the_colours_of_a_file_stay_what_they_are() -> None:
    """Samples of red, green and blue are no luma and chroma."""
    full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    jpeg = bytes(cv2.imencode(".jpg", IMAGE, full)[1].tobytes())
    colours = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

    picture = split_picture(jpeg[:2] + colours + jpeg[2:])

    assert decoded(b"".join(picture.payloads)).format.name == "gbrp"


@pytest.mark.parametrize(
    "jpeg",
    [
        b"",
        b"GIF89a",
        b"\xff\xd8",
        b"\xff\xd8\xff\xda\x00\x02",
        b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100,
        b"\xff\xd8\xff\xc0\x00\x01",
        b"\xff\xd8" + b"\xff\xdb\x00\x43" + bytes(65) + b"\xff\xc0\xff\xff",
    ],
)
def test_what_is_no_picture_is_told(jpeg: bytes) -> None:
    """Cut off, endless, or something else."""
    with pytest.raises(Malformed):
        split_picture(jpeg)


@given(st.binary(max_size=400))
def test_no_file_does_anything_but_be_malformed(data: bytes) -> None:
    """Random ones, with the right beginning."""
    for jpeg in (data, b"\xff\xd8" + data, libjpeg(50)[: 200 + len(data)] + data):
        try:
            parse_head(split_picture(jpeg).head)
        except Malformed:
            continue
