"""What a child has encoded, checked and cut into RTP payloads."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.rtp.codecs import packetise
from gateway.transcoding.messages import OutputHeader
from gateway.vision.pipe import MalformedMessage

SPS, PPS, IDR = 7, 8, 5


def payloads_of(head: OutputHeader, nals: Sequence[bytes], limit_bytes: int) -> tuple[bytes, ...]:
    """Return the picture *nals* as RTP payloads of *limit_bytes* at most.

    Raises:
        MalformedMessage: It is not what *head* says, or empty.
    """
    kinds = {nal[0] & 0x1F for nal in nals}
    if head.keyframe != (IDR in kinds) or (head.keyframe and not {SPS, PPS} <= kinds):
        raise MalformedMessage("a keyframe without its parameter sets")
    payloads = tuple(packetise(nals, "h264", limit_bytes))
    if not payloads:
        raise MalformedMessage("an empty picture")
    return payloads
