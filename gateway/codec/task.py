"""One task of the child: bytes of a keyframe in, a status and the reply's body out."""

from __future__ import annotations

from contextlib import suppress

import av
import cv2

from gateway.codec.decode import Undecodable, decode, jpeg, planes
from gateway.codec.figures import THUMB_BYTES
from gateway.codec.measure import look
from gateway.codec.pipe import Head, Status

cv2.setNumThreads(1)


def perform(head: Head, reference: bytes, coded: bytes) -> tuple[Status, bytes]:
    """Return what came of a task; a picture that cannot be had is an answer, not an error."""
    try:
        frame = decode(head.codec, coded)
        if head.width:
            return Status.DONE, jpeg(frame, head.width, head.at_most_bytes)
        luma, colour = planes(frame)
        return Status.DONE, look(luma, colour, reference).pack()
    except Undecodable as error:
        return Status.UNDECODABLE, str(error).encode()
    except MemoryError:
        return Status.UNDECODABLE, b"needs more memory than it may have"


def rehearse() -> None:
    """Do everything once, so that what libraries load late is there before files are out of reach.

    numpy's percentile imports a package at its first call.
    """
    for layout in ("yuv420p", "yuv422p"):
        frame = av.VideoFrame(64, 48, layout)
        luma, colour = planes(frame)
        look(luma, colour, bytes(THUMB_BYTES)).pack()
        jpeg(frame, 64, 65_536)
    for codec in ("h264", "h265"):
        with suppress(Undecodable):
            decode(codec, b"\0\0\0\1\x65")
