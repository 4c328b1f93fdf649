"""One task of the child: bytes of a keyframe in, a status and the reply's body out."""

from __future__ import annotations

import cv2

from gateway.codec.decode import Undecodable, decode, jpeg, planes
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
