"""What a probe has measured of a stream, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.model.media import Codec


@dataclass(frozen=True, slots=True)
class StreamMeasure:
    """One stream, as far as it has been watched.

    Attributes:
        codec: Of its pictures.
        width: In pixels; 0: not known.
        height: Likewise.
        fps: Pictures a second, in the camera's own time; 0.0: too few have come.
        bitrate_bps: What comes, headers included.
        gop_s: From keyframe to keyframe, in the camera's own time; None: fewer than two have come.
        b_frames: Whether pictures come in another order than they are shown.
        keyframe: The newest keyframe as a decoder takes it, parameter sets in front; empty: none.
        keyframes: The first two and the newest, likewise.
        keyframes_s: From the first of them to the last, in the camera's own time.
    """

    codec: Codec
    width: int
    height: int
    fps: float
    bitrate_bps: float
    gop_s: float | None
    b_frames: bool
    keyframe: bytes = field(default=b"", repr=False)
    keyframes: tuple[bytes, ...] = field(default=(), repr=False)
    keyframes_s: float = 0.0
