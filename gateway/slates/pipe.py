"""Messages between the gateway and the child that makes slates: fixed headers with lengths.

Replies have the frame of `gateway.vision.pipe`. The child gets texts of ours and numbers, nothing
that a camera has sent.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.slates.slate_format import SLATE_CODECS, SlateFormat
from gateway.vision.pieces import join_pieces, split_pieces
from gateway.vision.pipe import MalformedMessage

MAX_TEXT_BYTES = 600
MAX_SIDE = 4_096

_REQUEST = struct.Struct("!4sBBBIHHBBHHHHH")
_MAGIC = b"SLT\x01"
_REPLY = struct.Struct("!BH")
REQUEST_BYTES = _REQUEST.size


class Command(IntEnum):
    """What the gateway wants."""

    PICTURE = 1
    FORGET = 2


@dataclass(frozen=True, slots=True)
class SlateRequest:
    """The next picture of a slate, or the end of one.

    Attributes:
        command: Which of the two.
        slate: Number of the slate; an unknown one is a new one.
        keyframe: Whether a decoder must be able to start here.
        format: What it is coded as.
        texts: Two lines that stay, Vietnamese and English, and the one with the time.
    """

    command: Command
    slate: int
    keyframe: bool
    format: SlateFormat
    texts: tuple[str, str, str] = ("", "", "")

    def pack(self) -> bytes:
        """Return it as bytes for the pipe; longer texts are cut."""
        raw = [_cut(each) for each in self.texts]
        form = self.format
        head = _REQUEST.pack(
            _MAGIC,
            self.command,
            self.keyframe,
            SLATE_CODECS.index(form.codec),
            self.slate,
            form.width,
            form.height,
            form.profile,
            form.level,
            *form.aspect,
            *map(len, raw),
        )
        return head + b"".join(raw)


def text_bytes(head: bytes) -> int:
    """Return how many bytes follow *head*, `REQUEST_BYTES` long. Raises MalformedMessage."""
    magic, *_, one, two, three = _REQUEST.unpack(head)
    if magic != _MAGIC or max(one, two, three) > MAX_TEXT_BYTES:
        raise MalformedMessage("no request")
    return int(one + two + three)


def parse_request(head: bytes, body: bytes) -> SlateRequest:
    """Return the request of *head* and the texts in *body*. Raises MalformedMessage."""
    _, command, keyframe, codec, slate, width, height, profile, level, *rest = _REQUEST.unpack(head)
    if command not in tuple(Command) or codec >= len(SLATE_CODECS):
        raise MalformedMessage("no command")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE) or (width | height) & 1:
        raise MalformedMessage("no size")
    aspect_width, aspect_height, one, two, three = rest
    if one + two + three != len(body):
        raise MalformedMessage("cut off")
    try:
        texts = (body[:one].decode(), body[one : one + two].decode(), body[one + two :].decode())
    except UnicodeDecodeError as error:
        raise MalformedMessage("no text") from error
    form = SlateFormat(
        SLATE_CODECS[codec], width, height, profile, level, (aspect_width, aspect_height)
    )
    return SlateRequest(Command(command), slate, bool(keyframe), form, texts)


def pack_picture(nals: Sequence[bytes], *, keyframe: bool) -> bytes:
    """Return a coded picture as the body of a reply."""
    return _REPLY.pack(keyframe, len(nals)) + join_pieces(nals)


def parse_picture(body: bytes) -> tuple[list[bytes], bool]:
    """Return the NAL units of a coded picture, and whether it is a keyframe.

    Raises:
        MalformedMessage: It is none.
    """
    if len(body) < _REPLY.size:
        raise MalformedMessage("no picture")
    keyframe, count = _REPLY.unpack_from(body)
    return split_pieces(body[_REPLY.size :], count), bool(keyframe)


def _cut(text: str) -> bytes:
    """Return *text* in UTF-8, whole characters only, no longer than may be sent."""
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore").encode()
