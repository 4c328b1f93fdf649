"""What a child has encoded, checked and cut into RTP payloads."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.media import Codec
from gateway.rtp.codecs import CODEC_SYNTAX, packetise
from gateway.vision.pipe import MalformedMessage


def payloads_of(
    codec: Codec, nals: Sequence[bytes], *, keyframe: bool, limit_bytes: int
) -> tuple[bytes, ...]:
    """Return the picture *nals* as RTP payloads.

    Args:
        codec: ``h264`` or ``h265``.
        nals: Without start codes, none of them empty.
        keyframe: Whether the child says that a decoder can start here.
        limit_bytes: A payload has so many at most.

    Raises:
        MalformedMessage: The picture is not what the child says, or empty.
    """
    payload_format = CODEC_SYNTAX[codec].payload_format
    kinds = {payload_format.nal_type(nal) for nal in nals}
    sets = set(payload_format.parameter_set_types)
    if keyframe != bool(kinds & payload_format.irap_types) or (keyframe and not sets <= kinds):
        raise MalformedMessage("a keyframe without its parameter sets")
    payloads = tuple(packetise(nals, codec, limit_bytes))
    if not payloads:
        raise MalformedMessage("an empty picture")
    return payloads
