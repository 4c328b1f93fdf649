"""Whether the codec that comes is the one that the camera's session description names.

Some cameras describe H.265 and send H.264 (Ezviz), or the other way round after their codec was
changed. Parameter sets tell: each can only be of one codec.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from gateway.model.errors import SourceUnavailable
from gateway.model.media import Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.rtp.codecs import CODEC_SYNTAX, CodecSyntax
from gateway.rtp.packet import HEADER_BYTES, Malformed, parse_packet
from gateway.rtp.payload import split_aggregate, split_byte_stream
from gateway.rtsp.sdp import Description

MOST_PACKETS = 20_000
"""So many are looked at; a camera that has sent no parameter set by then sends none."""

MOST_A_READ = 32
MOST_SET_BYTES = 1_024

_NAMES: dict[Codec, str] = {"h264": "H.264", "h265": "H.265"}
_HEADERS: dict[Codec, frozenset[bytes]] = {
    "h264": frozenset((b"\x27", b"\x47", b"\x67")),
    "h265": frozenset((b"\x42\x01",)),
}
"""What an SPS begins with."""
_FIRST_BYTES = frozenset(
    bytes((first,))
    for first in (
        *(0x00, 0x27, 0x47, 0x67, 0x42, 0x40),  # start code, SPS of both, VPS
        *(0x18, 0x38, 0x58, 0x78, 0x60),  # aggregates
        *(0x09, 0x06, 0x46, 0x4E),  # what stands in front of sets in a byte stream
    )
)
"""What the payload of a plain packet with an SPS begins with."""
_SMALLEST, _LARGEST = 64, 16_384
_PROFILES: dict[Codec, frozenset[int]] = {
    "h264": frozenset((66, 77, 88, 100, 110, 122, 244)),
    "h265": frozenset((1, 2, 3, 4)),
}


class CodecDiffers(SourceUnavailable):
    """What comes is of another codec than the description says.

    Attributes:
        codec: What comes.
    """

    def __init__(self, described: Codec, codec: Codec) -> None:
        said = f"the camera describes {_NAMES[described]} and sends {_NAMES[codec]}"
        super().__init__(Reason.CORRUPT, said)
        self.codec = codec


class CodecCheck:
    """Looks at one session's packets until one has told the codec.

    Args:
        described: By the session description: H.264 or H.265.
        payload_type: Of the video.

    """

    def __init__(self, described: Codec, payload_type: int) -> None:
        self._described = described
        self._payload_type = payload_type
        self._left = MOST_PACKETS

    def look(self, packets: list[bytes]) -> bool:
        """Look at RTP *packets*; return whether nothing more is to be learned.

        Raises:
            CodecDiffers: Another codec comes.
        """
        place = HEADER_BYTES
        likely = [packet for packet in packets if packet[place : place + 1] in _FIRST_BYTES]
        for packet in likely[:MOST_A_READ]:
            found = self._codec_of(packet)
            if found is not None:
                if found != self._described:
                    raise CodecDiffers(self._described, found)
                return True
        self._left -= len(packets)
        return self._left <= 0

    def _codec_of(self, packet: bytes) -> Codec | None:
        if not len(packet) > HEADER_BYTES or packet[1] & 0x7F != self._payload_type:
            return None
        with suppress(Malformed):
            payload = parse_packet(packet).payload
            for codec, syntax in CODEC_SYNTAX.items():
                if any(_is_sps(codec, syntax, nal) for nal in _nals(syntax, payload)):
                    return codec
        return None


def create_check(description: Description) -> CodecCheck | None:
    """Return what looks at a session of *description*; None: its codec has no parameter sets."""
    codec = description.video.codec
    return CodecCheck(codec, description.payload_type) if codec in CODEC_SYNTAX else None


def as_sent(description: Description, codec: Codec | None) -> Description:
    """Return *description* with the video of *codec*, which comes; None: what it says."""
    if codec in (None, description.video.codec) or description.video.codec not in CODEC_SYNTAX:
        return description
    assert codec is not None
    encoding = _NAMES[codec].replace(".", "")
    return replace(description, video=VideoFormat(codec), encoding=encoding)


def _nals(syntax: CodecSyntax, payload: bytes) -> list[bytes]:
    """Return the NAL units in *payload*, if it is of that codec and not a fragment."""
    payload_format = syntax.payload_format
    if len(payload) <= payload_format.header_bytes:
        return []
    with suppress(Malformed):
        if payload_format.nal_type(payload) == payload_format.aggregate:
            return split_aggregate(payload_format, payload)
        return split_byte_stream(payload_format, payload[:MOST_SET_BYTES])
    return []


def _is_sps(codec: Codec, syntax: CodecSyntax, nal: bytes) -> bool:
    if nal[: syntax.payload_format.header_bytes] not in _HEADERS[codec]:
        return False
    with suppress(Malformed):
        info = syntax.parse_sps(nal[:MOST_SET_BYTES])
        sizes = min(info.width, info.height), max(info.width, info.height)
        likely = sizes[0] >= _SMALLEST and sizes[1] <= _LARGEST
        return likely and info.profile_idc in _PROFILES[codec]
    return False
