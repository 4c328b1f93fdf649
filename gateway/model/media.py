"""What flows from a camera to its viewers: the access unit, and what a stream is.

Sources: ITU-T H.264 and H.265 clause 3 (access unit), RFC 6184 and RFC 7798 (payloads).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VIDEO_CLOCK_HZ = 90_000
"""The RTP clock of every video payload here (RFC 6184 §5.1, RFC 7798 §4.1)."""

Codec = Literal["h264", "h265", "mjpeg", "mpeg4"]
"""FFmpeg's names. The last two are never sent to viewers, only transcoded."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What a source sends, known as soon as it is open.

    Attributes:
        codec: FFmpeg's name for it.
        parameter_sets: NAL units (VPS, SPS, PPS in that order, without start codes) known out
            of band, from the SDP; empty if they only come in band. Of MPEG-4: its headers, in one.
    """

    codec: Codec
    parameter_sets: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture, as RTP payloads ready to be sent; one that is only transcoded, in pieces.

    Attributes:
        payloads: RTP payloads (RFC 6184 / RFC 7798) in order, without RTP headers, none above
            the stream's payload limit; the marker belongs on the last. Of JPEG and MPEG-4: what
            makes the picture when joined, its headers in the first. Never empty.
        time_90k: When it is shown, in 90 kHz ticks on the stream's one timeline: strictly
            growing, never wrapping, unbroken across jumps and reconnects.
        keyframe: Whether a decoder that knows nothing can start here: an IDR/IRAP picture with
            its parameter sets in front.
        arrived_s: When its last packet was read, on the monotonic clock.
        size_bytes: Sum of the payloads' lengths.
        early_90k: How much earlier it is really shown, in the same ticks; other than 0 for B-frames
            only, which come behind pictures that are shown after them.
    """

    payloads: tuple[bytes, ...]
    time_90k: int
    keyframe: bool
    arrived_s: float
    size_bytes: int
    early_90k: int = 0


@dataclass(slots=True)
class SourceCounters:
    """What a source has counted since it was made. Read by health, written only by the source.

    Attributes:
        packets: RTP packets of the video taken.
        received_bytes: Bytes of those packets, headers included.
        units: Access units delivered.
        keyframes: Those that a decoder can start at.
        lost: RTP packets missing by sequence number.
        discarded: Packets thrown away: malformed, late, not set up, or of a broken picture.
        resyncs: Times the interleaved framing had to be found again.
        jumps: Times the camera's timestamps jumped.
        backward: Pictures stamped before their predecessor, the mark of B-frames.
        sessions: RTSP sessions opened.
        keyframe_requests: Requests for a keyframe that the camera has agreed to.
        keyframe_failures: Such requests that have failed.
    """

    packets: int = 0
    received_bytes: int = 0
    units: int = 0
    keyframes: int = 0
    lost: int = 0
    discarded: int = 0
    resyncs: int = 0
    jumps: int = 0
    backward: int = 0
    sessions: int = 0
    keyframe_requests: int = 0
    keyframe_failures: int = 0


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What a camera's clock showed.

    Attributes:
        unix_s: Seconds since 1970, UTC, as the camera says.
        at_s: When it said so, on our monotonic clock.
    """

    unix_s: float
    at_s: float
