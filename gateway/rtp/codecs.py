"""The codecs by their names in `gateway.model.media.Codec`: NAL units, or whole pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.model.media import Codec
from gateway.rtp import h264, h265, jpeg, mpeg4, payload
from gateway.rtp.video_info import VideoInfo


@dataclass(frozen=True, slots=True)
class CodecSyntax:
    """What can be read of one codec without decoding.

    Attributes:
        payload_format: Of its RTP payloads.
        parse_set_id: Returns the id of a parameter set; raises `Malformed`.
        parse_sps: Returns what an SPS says; raises `Malformed`.
        sps_type: NAL unit type of the SPS.
    """

    payload_format: payload.PayloadFormat
    parse_set_id: Callable[[bytes], int]
    parse_sps: Callable[[bytes], VideoInfo]
    sps_type: int


CODEC_SYNTAX: dict[Codec, CodecSyntax] = {
    "h264": CodecSyntax(h264.PAYLOAD_FORMAT, h264.parse_set_id, h264.parse_sps, h264.SPS),
    "h265": CodecSyntax(h265.PAYLOAD_FORMAT, h265.parse_set_id, h265.parse_sps, h265.SPS),
}
"""Codecs of NAL units; these can be sent to viewers."""

PICTURE_HEADS: dict[Codec, Callable[[bytes], VideoInfo]] = {
    "mjpeg": jpeg.parse_head,
    "mpeg4": mpeg4.parse_head,
}
"""All others, which are transcoded; what reads their headers, raising `Malformed`."""


def coded_picture(codec: Codec, payloads: Iterable[bytes]) -> bytes:
    """Return an access unit's *payloads* as a decoder takes them (of NAL units: Annex B).

    Raises:
        Malformed: They are no whole picture.
    """
    syntax = CODEC_SYNTAX.get(codec)
    if syntax is None:
        return b"".join(payloads)
    return payload.annex_b(payload.nal_units(syntax.payload_format, payloads))


def packetise(nals: Iterable[bytes], codec: Codec, limit: int) -> list[bytes]:
    """Return the payloads, at most *limit* bytes each, of the access unit made of *nals*.

    For sources that are not RTP. The marker belongs on the last.
    """
    return payload.packetise(CODEC_SYNTAX[codec].payload_format, nals, limit)


def split(rtp_payload: bytes, codec: Codec, limit: int) -> list[bytes]:
    """Return *rtp_payload* as payloads of at most *limit* bytes; see `payload.split`."""
    return payload.split(CODEC_SYNTAX[codec].payload_format, rtp_payload, limit)
