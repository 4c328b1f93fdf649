"""Splits a multipart response into its parts, as cameras write them. No I/O.

What is meant is read: boundaries with or without the two dashes, in quotes or not; parts with or
without a length, also one that lies; lines that end with LF. Where the boundary is another than was
named, or none, pictures are found by what they are. Everything is bounded.

References: RFC 2046 §5.1; the `multipart/x-mixed-replace` of browsers, which has no other source.
"""

from __future__ import annotations

import re

from gateway.rtp.jpeg import END
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_PICTURE_BYTES
from gateway.sources.jpeg_stream import MOST_BETWEEN_BYTES, JpegStream

MOST_HEAD_BYTES = 4_096
MOST_BOUNDARY = 200
"""RFC 2046 allows 70."""

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,10})[ \t]*\r?$", re.I | re.M)
_TYPE = re.compile(rb"^content-type[ \t]*:[ \t]*([!-~]{1,100})", re.I | re.M)
_JPEG = (b"image/jpeg", b"image/jpg")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that *content_type* names, without dashes in front.

    Raises:
        Malformed: It names none.
    """
    match = _BOUNDARY.search(content_type[:1024])
    name = (match[1] or match[2]).strip().lstrip("-") if match else ""
    if not name or len(name) > MOST_BOUNDARY or not name.isascii():
        raise Malformed("no boundary between pictures is named")
    return name.encode()


def boundary_in(head: bytes) -> str:
    """Return the boundary with which *head* begins, if a JPEG follows it; else nothing.

    For bodies whose type does not name it. Other files that begin with two dashes have no such
    line behind them.
    """
    first, *lines = head.lstrip(b"\r\n").split(b"\n")
    name = first.strip()[2:]
    if not first.startswith(b"--") or not 0 < len(name) <= MOST_BOUNDARY:
        return ""
    if not all(0x21 <= each <= 0x7E and each not in b'";,' for each in name):
        return ""
    for line in lines:
        field, _, value = line.strip().lower().partition(b":")
        if not field:
            break
        if field.strip() == b"content-type":
            return name.decode() if value.strip().startswith(_JPEG) else ""
    return ""


class MultipartParser:
    """Takes a body in pieces and returns its JPEG parts; those of other types are left out.

    Args:
        boundary: As `boundary_of` returns it.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"--" + boundary
        self._buffer = bytearray()
        self._searched = 0  # no delimiter begins before here
        self._inside = False  # a part has begun
        self._length: int | None = None  # of its body, once its head has been read; -1: not said
        self._wanted = False
        self._pictures: JpegStream | None = None  # of a body without such parts
        self.skipped = 0
        """Parts of other types."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the JPEG parts that *piece* completes.

        Raises:
            Malformed: Something is larger than a camera has reason to send.
        """
        if self._pictures is not None:
            return self._pictures.feed(piece)
        self._buffer += piece
        parts: list[bytes] = []
        while self._pictures is None and self._step(parts):
            pass
        return parts

    def _step(self, parts: list[bytes]) -> bool:
        """Go one step on; False if more must come first."""
        if not self._inside:
            return self._begin_part(parts)
        if self._length is None:
            return self._read_head()
        return self._end_part(parts)

    def _find_delimiter(self, most: int, what: str) -> int:
        """Return where the next delimiter begins; -1 if it has not come. Raises Malformed."""
        at = self._buffer.find(self._delimiter, self._searched)
        if at < 0:
            self._searched = max(0, len(self._buffer) - len(self._delimiter) + 1)
        if (len(self._buffer) if at < 0 else at) > most + len(self._delimiter):
            raise Malformed(f"{what} of more than {most} bytes")
        return at

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = 0

    def _begin_part(self, parts: list[bytes]) -> bool:
        try:
            at = self._find_delimiter(MOST_BETWEEN_BYTES, "something between two pictures")
        except Malformed:
            self._pictures = JpegStream()
            parts += self._pictures.feed(bytes(self._buffer))
            self._buffer.clear()
            return False
        if at < 0:
            return False
        self._drop(at + len(self._delimiter))
        self._inside, self._length = True, None
        return True

    def _read_head(self) -> bool:
        match = _HEAD_END.search(self._buffer, 0, MOST_HEAD_BYTES)
        if match is None:
            if len(self._buffer) >= MOST_HEAD_BYTES:
                raise Malformed(f"a part's head of more than {MOST_HEAD_BYTES} bytes")
            return False
        head = bytes(self._buffer[: match.end()])
        length, kind = _LENGTH.search(head), _TYPE.search(head)
        self._wanted = kind is None or kind[1].lower().startswith(_JPEG)
        self._length = int(length[1]) if length else -1
        if self._length > MAX_PICTURE_BYTES:
            raise Malformed(f"a picture of more than {MAX_PICTURE_BYTES} bytes")
        self._drop(match.end())
        return True

    def _end_part(self, parts: list[bytes]) -> bool:
        assert self._length is not None
        at, end = self._find_delimiter(MAX_PICTURE_BYTES, "a picture"), self._length
        if 0 <= at < end or (0 <= end <= len(self._buffer) and self._is_cut(end)):
            self._length = -1  # it lies: the delimiter says where the part ends
        if self._length < 0:
            end = at
        if end < 0 or end > len(self._buffer):
            return False
        body = bytes(self._buffer[:end])
        if self._length < 0:  # the line end belongs to the delimiter
            body = body.removesuffix(b"\n").removesuffix(b"\r")
        self._drop(end)
        self._inside = False
        if self._wanted:
            parts.append(body)
        else:
            self.skipped += 1
        return True

    def _is_cut(self, length: int) -> bool:
        """Return whether the first *length* bytes are a picture without its end."""
        return self._wanted and self._buffer.rfind(END, length // 2, length) < 0
