"""What the gateway and its child say to each other: length-prefixed, fixed headers, no pickle.

The gateway asks, the child answers, one at a time. Neither trusts a length: the child has what a
camera has sent, and what the gateway reads may come from a child that a picture has taken over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

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
_CODECS: tuple[Codec, ...] = ("h264", "h265")


class MalformedMessage(Exception):
    """The other end says what it cannot mean."""


class Status(IntEnum):
    """How a reply begins.

    READY comes once, unasked; its body names what of the confinement is not in force.
    """

    READY = 0
    DONE = 1
    UNDECODABLE = 2


@dataclass(frozen=True, slots=True)
class Request:
    """One task.

    Attributes:
        codec: Of the picture.
        coded: The keyframe in Annex B form, parameter sets in front.
        width: Of the JPEG that is wanted; 0: a look is wanted.
        at_most_bytes: That the JPEG may have.
        reference: For a look: the thumbnail to compare with, or nothing.
    """

    codec: Codec
    coded: bytes
    width: int = 0
    at_most_bytes: int = MAX_REPLY_BYTES
    reference: bytes = b""

    def pack(self) -> bytes:
        """Return the request as it stands on the pipe."""
        return (
            _REQUEST.pack(
                _MAGIC,
                _CODECS.index(self.codec),
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
    """The header of a request; *reference* and *coded* bytes follow."""

    codec: Codec
    width: int
    at_most_bytes: int
    reference: int
    coded: int


def parse_request_header(raw: bytes) -> RequestHeader:
    """Return the header in *raw*. Raises Garbled."""
    magic, codec, _, width, at_most_bytes, reference, coded = _REQUEST.unpack(raw)
    if magic != _MAGIC or codec >= len(_CODECS) or width > MAX_WIDTH:
        raise MalformedMessage("no request")
    if reference not in (0, THUMB_BYTES) or not 0 < coded <= MAX_CODED_BYTES:
        raise MalformedMessage("a request of impossible length")
    return RequestHeader(_CODECS[codec], width, at_most_bytes, reference, coded)


def pack_reply(status: Status, body: bytes) -> bytes:
    """Return a reply as it stands on the pipe."""
    return _REPLY.pack(_MAGIC, status, len(body)) + body


def parse_reply_header(raw: bytes) -> tuple[Status, int]:
    """Return status and length of the body that follows *raw*. Raises Garbled."""
    magic, status, length = _REPLY.unpack(raw)
    if magic != _MAGIC or status not in tuple(Status) or length > MAX_REPLY_BYTES:
        raise MalformedMessage("no reply")
    return Status(status), length
