"""Finds JPEG pictures in bytes by what they are, whatever stands between them. No I/O.

For bodies that are pictures one behind the other, and for multipart ones that are not what their
boundary and lengths say. A picture ends at its EOI: within coded samples no such two bytes stand,
and segments in front of them, which may hold a whole preview, are passed over by their lengths.

Reference: ITU-T T.81 annex B.
"""

from __future__ import annotations

from gateway.rtp.jpeg import END, SCAN, START
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_PICTURE_BYTES

MOST_BETWEEN_BYTES = 65_536
"""Of what stands between two pictures and belongs to none."""
_BEGINNING = START + b"\xff"
_FILLING = 0xFF


class JpegStream:
    """Takes bytes in pieces and returns the pictures in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # where to look on
        self._begun = False
        self._in_samples = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the pictures that *piece* completes.

        Raises:
            Malformed: Something is larger than a camera has reason to send.
        """
        self._buffer += piece
        pictures: list[bytes] = []
        while self._step(pictures):
            pass
        return pictures

    def _step(self, pictures: list[bytes]) -> bool:
        """Go one step on; False if more must come first."""
        if not self._begun:
            return self._begin()
        if not self._in_samples:
            return self._pass_segment()
        end = self._buffer.find(END, self._at)
        if end < 0:
            self._at = max(self._at, len(self._buffer) - 1)
            return self._bounded(len(self._buffer), MAX_PICTURE_BYTES, "a picture")
        pictures.append(bytes(self._buffer[: end + len(END)]))
        self._drop(end + len(END))
        return True

    def _begin(self) -> bool:
        begin = self._buffer.find(_BEGINNING, self._at)
        if begin < 0:
            self._at = max(self._at, len(self._buffer) - len(_BEGINNING) + 1)
            return self._bounded(self._at, MOST_BETWEEN_BYTES, "something between two pictures")
        self._bounded(begin, MOST_BETWEEN_BYTES, "something between two pictures")
        self._drop(begin)
        self._begun, self._at = True, len(START)
        return True

    def _pass_segment(self) -> bool:
        """Go on behind one segment; what is none ends the picture, and the next is looked for."""
        at, buffer = self._at, self._buffer
        if at + 4 > len(buffer):
            return False
        if buffer[at] != 0xFF or buffer[at : at + 2] == START:
            self._drop(at)  # no picture began there
        elif buffer[at + 1] == _FILLING:
            self._at = at + 1
        else:
            self._in_samples = buffer[at + 1] == SCAN
            self._at = at + 2 + int.from_bytes(buffer[at + 2 : at + 4])
            self._bounded(self._at, MAX_PICTURE_BYTES, "a picture")
        return True

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._at, self._begun, self._in_samples = 0, False, False

    def _bounded(self, length: int, most: int, what: str) -> bool:
        """Return False. Raises Malformed if *length* is more than *most*."""
        if length > most:
            raise Malformed(f"{what} of more than {most} bytes")
        return False
