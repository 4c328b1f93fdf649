"""FLV, as far as RTMP's video messages need it to be a file again.

Reference: Adobe Flash Video File Format Specification 10.1, Annex E; Enhanced RTMP v2 (FourCC).
"""

from __future__ import annotations

from collections.abc import Iterator

HEADER = b"FLV\x01\x01" + (9).to_bytes(4) + bytes(4)
"""Of a file with video only, and the size of the tag before the first."""

_TAG_BYTES = 11
_VIDEO = 9

_CODECS = {2: "H.263", 3: "Screen video", 4: "VP6", 5: "VP6", 6: "Screen video", 7: "h264"}
_HEVC_OF_VENDORS = 12
"""FLV has no number for H.265; this one is that of Chinese CDNs and of FFmpeg's patches."""

_FOURCC = {b"avc1": "h264", b"hvc1": "h265", b"hev1": "h265", b"av01": "AV1", b"vp09": "VP9"}


def video_tag(time_ms: int, body: bytes) -> bytes:
    """Return the tag of one video message.

    Args:
        time_ms: Its timestamp, modulo 2**32.
        body: The message.
    """
    size = len(body).to_bytes(3)
    stamp = (time_ms & 0xFFFFFF).to_bytes(3) + (time_ms >> 24 & 0xFF).to_bytes(1)
    head = bytes((_VIDEO,)) + size + stamp + bytes(3)
    return head + body + (_TAG_BYTES + len(body)).to_bytes(4)


def codec_of(body: bytes) -> str:
    """Return the codec of a video message: ``h264``, ``h265``, or the name of another."""
    if not body:
        return "nothing"
    if body[0] & 0x80:
        return _FOURCC.get(body[1:5], f"FourCC {body[1:5].hex()}")
    number = body[0] & 0x0F
    return "h265" if number == _HEVC_OF_VENDORS else _CODECS.get(number, f"codec {number}")


def is_keyframe(body: bytes) -> bool:
    """Return whether a video message says of itself that it is a keyframe (or its headers)."""
    return bool(body) and body[0] >> 4 & 0x07 == 1


def is_command(body: bytes) -> bool:
    """Return whether a video message holds no picture, but a command for a player."""
    return body[0] >> 4 & 0x07 == 5


def tags_of_aggregate(time_ms: int, payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, time and body of each message in an aggregate message (RTMP 1.0 §7.1.6).

    Args:
        time_ms: Of the aggregate: that of its first message, whatever that says itself.
        payload: Tags, each with the size of itself behind it; what is cut off is left out.
    """
    at, first_ms = 0, None
    while at + _TAG_BYTES <= len(payload):
        kind, size = payload[at], int.from_bytes(payload[at + 1 : at + 4])
        stamp_ms = int.from_bytes(payload[at + 4 : at + 7]) | payload[at + 7] << 24
        end = at + _TAG_BYTES + size
        if end > len(payload):
            break
        first_ms = stamp_ms if first_ms is None else first_ms
        shown_ms = (time_ms + stamp_ms - first_ms) & 0xFFFF_FFFF
        yield kind, shown_ms, payload[at + _TAG_BYTES : end]
        at = end + 4


def with_fourcc(body: bytes) -> bytes:
    """Return a video message that says H.265 as some vendors do, as Enhanced RTMP says it.

    Any other is returned as it is.
    """
    if len(body) < 5 or body[0] & 0x80 or body[0] & 0x0F != _HEVC_OF_VENDORS:
        return body
    frame_type, packet_type = body[0] & 0x70, body[1] & 0x0F
    shift = body[2:5] if packet_type == 1 else b""
    return bytes((0x80 | frame_type | packet_type,)) + b"hvc1" + shift + body[5:]
