"""Multipart bodies as cameras write them, and worse ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_PICTURE_BYTES
from gateway.sources.jpeg_stream import MOST_BETWEEN_BYTES
from gateway.sources.multipart import (
    MOST_HEAD_BYTES,
    MultipartParser,
    boundary_in,
    boundary_of,
)
from tests.fixtures.calls import calls_of

JPEG = b"\xff\xd8" + bytes(range(256)) * 3 + b"\r\n--not it\r\n" + b"\xff\xd9"


def part(body: bytes, *fields: str, end: str = "\r\n") -> bytes:
    """Return *body* as a part behind its delimiter."""
    head = end.join(["--cam", *fields, "", ""])
    return head.encode() + body + b"\r\n"


SIZED = part(JPEG, "Content-Type: image/jpeg", f"Content-Length: {len(JPEG)}")
PLAIN = part(JPEG, "Content-Type: image/jpeg")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("multipart/x-mixed-replace; boundary=cam", b"cam"),
        ("multipart/x-mixed-replace;boundary=--cam", b"cam"),
        ('multipart/x-mixed-replace; charset=x; Boundary="my cam"; x=y', b"my cam"),
        ("multipart/x-mixed-replace; boundary = cam", b"cam"),
    ],
)
def test_the_boundary_is_read_as_cameras_write_it(said: str, name: bytes) -> None:
    """With the dashes or without, in quotes or not."""
    assert boundary_of(said) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: 9\r\n\r\n", "ffmpeg"),
        (b"\r\n----x--\nX: y\ncontent-TYPE:image/jpg;q=1\n", "--x--"),
        (b"--ffmpeg\r\nContent-type: text/plain\r\n\r\n", ""),
        (b"--ffmpeg\r\n\r\nContent-type: image/jpeg\r\n\r\n", ""),
        (b'--a"b\r\nContent-type: image/jpeg\r\n', ""),
        (b"--" + b"f" * 201 + b"\r\nContent-type: image/jpeg\r\n", ""),
        (b"--\r\nContent-type: image/jpeg\r\n", ""),
        (b"ffmpeg\r\nContent-type: image/jpeg\r\n", ""),
        (b"", ""),
    ],
)
def test_the_boundary_is_told_by_the_first_part(head: bytes, name: str) -> None:
    """Only where a JPEG follows it: other files begin with two dashes as well."""
    assert boundary_in(head) == name


@pytest.mark.parametrize("said", ["", "multipart/x", "multipart/x; boundary=--", "x;boundary=é"])
def test_without_a_boundary_there_are_no_parts(said: str) -> None:
    """It is said so."""
    with pytest.raises(Malformed, match="no boundary"):
        boundary_of(said)


@pytest.mark.parametrize(
    "body",
    [
        SIZED * 3,
        PLAIN * 3 + b"--cam",
        b"\r\nhello\r\n" + SIZED + b"\r\n\r\n" + PLAIN + SIZED,
        part(JPEG, "content-length:   " + str(len(JPEG)), end="\n") * 3,
        part(JPEG, end="\n") * 3 + b"--cam",
        SIZED + part(b"motion=1", "Content-Type: text/plain", "Content-Length: 8") + SIZED * 2,
    ],
    ids=["sized", "plain", "mixed", "lf", "bare", "other types"],
)
def test_parts_come_whole(body: bytes) -> None:
    """However the bytes are cut."""
    whole = MultipartParser(b"cam").feed(body)
    slowly = MultipartParser(b"cam")
    bytewise = [each for at in range(len(body)) for each in slowly.feed(body[at : at + 1])]

    assert whole == bytewise == [JPEG] * 3


@pytest.mark.parametrize("length", [0, 5, len(JPEG) - 9, len(JPEG) + 9, 99_999])
def test_a_length_that_lies_costs_no_picture(length: int) -> None:
    """Neither cut off nor with what belongs to the next: the delimiter says where it ends."""
    body = part(JPEG, "Content-Type: image/jpeg", f"Content-Length: {length}") * 3 + SIZED

    assert MultipartParser(b"cam").feed(body) == [JPEG] * 4


@pytest.mark.parametrize(
    "head",
    [b"--other\r\nContent-Type: image/jpeg\r\n\r\n", b"cam\r\n\r\n", b""],
    ids=["another", "without dashes", "none"],
)
def test_pictures_are_found_without_the_boundary_that_was_named(head: bytes) -> None:
    """By what they are, as soon as no delimiter has come where one must have."""
    picture = b"\xff\xd8\xff\xda\x00\x02" + bytes(9_000) + b"\xff\xd9"

    assert MultipartParser(b"cam").feed((head + picture + b"\r\n") * 20) == [picture] * 20


@pytest.mark.parametrize(
    "body",
    [
        bytes(MOST_BETWEEN_BYTES + 100),
        b"--cam\r\n" + b"x" * (MOST_HEAD_BYTES + 1),
        b"--cam\r\nContent-Length: 9999999999\r\n\r\n",
        b"--cam\r\n\r\n" + bytes(MAX_PICTURE_BYTES + 100),
    ],
    ids=["between", "head", "length", "endless"],
)
def test_everything_is_bounded(body: bytes) -> None:
    """What is too large is told as soon as that is known."""
    with pytest.raises(Malformed):
        MultipartParser(b"cam").feed(body)


def test_no_byte_is_searched_twice() -> None:
    """A picture without length in small reads costs as many calls as reads, not their square."""

    def feed(count: int) -> None:
        parser = MultipartParser(b"cam")
        parser.feed(b"--cam\r\n\r\n")
        for _ in range(count):
            parser.feed(bytes(64))
        assert parser._searched >= 64 * count - 5

    assert calls_of(lambda: feed(2_000)) < 2.2 * calls_of(lambda: feed(1_000))


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 50))
def test_no_bytes_do_anything_but_be_malformed(pieces: list[bytes], cut: int) -> None:
    """And the cuts change nothing."""
    body = b"\r\n--cam".join([b"", *pieces])
    outcomes = []
    for longest in (cut, len(body) + 1):
        parser, parts = MultipartParser(b"cam"), []
        try:
            for at in range(0, len(body), longest):
                parts += parser.feed(body[at : at + longest])
        except Malformed:
            parts.append(b"malformed")
        outcomes.append(parts)
    if b"malformed" not in outcomes[0] + outcomes[1]:
        assert outcomes[0] == outcomes[1]
