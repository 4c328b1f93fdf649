"""The body of a message between the gateway and a child: pieces, each behind its length.

Neither end trusts the other's lengths: the child gets what a camera has sent, and a hostile one may
have taken over the child.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from gateway.vision.pipe import MalformedMessage

HeadT = TypeVar("HeadT")

LENGTH_BYTES = 4
_LENGTH = struct.Struct("!I")


def join_pieces(pieces: Sequence[bytes]) -> bytes:
    """Return *pieces* as a body."""
    framed: list[bytes] = []
    for piece in pieces:
        framed += (_LENGTH.pack(len(piece)), piece)
    return b"".join(framed)


def split_pieces(body: bytes, count: int) -> list[bytes]:
    """Return the *count* pieces of *body*. Raises MalformedMessage."""
    pieces = []
    at = 0
    for _ in range(count):
        if at + LENGTH_BYTES > len(body):
            raise MalformedMessage("cut off")
        end = at + LENGTH_BYTES + _LENGTH.unpack_from(body, at)[0]
        if end > len(body) or end == at + LENGTH_BYTES:
            raise MalformedMessage("a piece that leaves its message, or is empty")
        pieces.append(body[at + LENGTH_BYTES : end])
        at = end
    if at != len(body):
        raise MalformedMessage("more than it says")
    return pieces


class MessageParser(Generic[HeadT]):
    """Makes messages out of the bytes that come from a child.

    Args:
        head_bytes: Length of a header.
        parse_head: Returns the header in so many bytes, how many pieces follow, and how many bytes
            they are; raises MalformedMessage.
    """

    def __init__(
        self, head_bytes: int, parse_head: Callable[[bytes], tuple[HeadT, int, int]]
    ) -> None:
        self._head_bytes, self._parse_head = head_bytes, parse_head
        self._buffer = bytearray()
        self._head: tuple[HeadT, int, int] | None = None

    def feed(self, raw: bytes) -> Iterator[tuple[HeadT, list[bytes]]]:
        """Yield the messages that *raw* completes, each with its pieces.

        Raises:
            MalformedMessage: At the first message that the child cannot have meant.
        """
        self._buffer += raw
        while True:
            if self._head is None:
                if len(self._buffer) < self._head_bytes:
                    return
                self._head = self._parse_head(bytes(self._buffer[: self._head_bytes]))
                del self._buffer[: self._head_bytes]
            head, count, length = self._head
            if len(self._buffer) < length:
                return
            body = bytes(self._buffer[:length])
            del self._buffer[:length]
            self._head = None
            yield head, split_pieces(body, count)
