"""Messages between the gateway and the decoder's worker: fixed headers with lengths, no pickle.

The gateway sends a request, the worker one reply to it. Neither trusts the other's lengths: the
worker gets what a camera has sent, and a hostile picture may have taken over the worker.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from io import RawIOBase
from typing import BinaryIO

from gateway.model.media import Codec
from gateway.vision.metrics import THUMB_BYTES

MAX_CODED_BYTES = 4 * 1024 * 1024
"""A keyframe of a 4K camera at 30 Mbit/s has a quarter of that."""
MAX_REPLY_BYTES = 2 * 1024 * 1024
"""A JPEG of 1920 x 1080 at quality 85 has a third of that."""
MAX_WIDTH = 4_096

_MAGIC = b"EYE\x01"
_REQUEST = struct.Struct("!4sBBHIHI")
_REPLY = struct.Struct("!4sB3xI")
REQUEST_BYTES, REPLY_BYTES = _REQUEST.size, _REPLY.size
CODECS: tuple[Codec, ...] = ("h264", "h265", "mjpeg", "mpeg4")


class MalformedMessage(Exception):
    """The other end has sent a message that breaks the format."""


class Status(IntEnum):
    """First field of a reply.

    READY is sent once, when the worker has started; its body names the steps of the sandbox that
    failed.
    """

    READY = 0
    DONE = 1
    UNDECODABLE = 2


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        codec: Of the picture.
        coded: The keyframe as a decoder takes it (Annex B), parameter sets in front.
        width: Largest width of the JPEG in pixels; 0 asks for an analysis instead.
        at_most_bytes: Largest size of the JPEG.
        reference: For an analysis, the thumbnail to compare with; empty if there is none.
    """

    codec: Codec
    coded: bytes
    width: int = 0
    at_most_bytes: int = MAX_REPLY_BYTES
    reference: bytes = b""

    def pack(self) -> bytes:
        """Return the request as bytes for the pipe."""
        return (
            _REQUEST.pack(
                _MAGIC,
                CODECS.index(self.codec),
                0,
                self.width,
                self.at_most_bytes,
                len(self.reference),
                len(self.coded),
            )
            + self.reference
            + self.coded
        )


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """The header of a request. As many bytes as *reference* and *coded* say follow it."""

    codec: Codec
    width: int
    at_most_bytes: int
    reference: int
    coded: int


def parse_request_header(raw: bytes) -> RequestHeader:
    """Return the header in *raw*, `REQUEST_BYTES` long. Raises MalformedMessage."""
    magic, codec, _, width, at_most_bytes, reference, coded = _REQUEST.unpack(raw)
    if magic != _MAGIC or codec >= len(CODECS) or width > MAX_WIDTH:
        raise MalformedMessage("no request")
    if reference not in (0, THUMB_BYTES) or not 0 < coded <= MAX_CODED_BYTES:
        raise MalformedMessage("a request of impossible length")
    return RequestHeader(CODECS[codec], width, at_most_bytes, reference, coded)


def pack_reply(status: Status, body: bytes) -> bytes:
    """Return a reply as bytes for the pipe."""
    return _REPLY.pack(_MAGIC, status, len(body)) + body


def parse_reply_header(raw: bytes) -> tuple[Status, int]:
    """Return status and length of the body that follows *raw*. Raises MalformedMessage."""
    magic, status, length = _REPLY.unpack(raw)
    if magic != _MAGIC or status not in tuple(Status) or length > MAX_REPLY_BYTES:
        raise MalformedMessage("no reply")
    return Status(status), length


def write_all(pipe: BinaryIO | RawIOBase, raw: bytes) -> None:
    """Write all of *raw* to a pipe that blocks."""
    left = memoryview(raw)
    while left:
        left = left[pipe.write(left) or 0 :]
