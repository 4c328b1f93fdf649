"""What a slate is coded as: like the stream that it stands in for, as far as memory allows. Pure.

A decoder that showed the camera goes on with the slate: same codec, same size, and a profile and a
level that are not above the camera's. Parameter sets come in band, with each keyframe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from gateway.model.media import Codec
from gateway.rtp.video_info import MAX_HEIGHT, MAX_WIDTH, VideoInfo

SlateCodec = Literal["h264", "h265"]
SLATE_CODECS: tuple[SlateCodec, ...] = ("h264", "h265")

LEAST_SIDE = 64
USUAL_SIZE = 1280, 720
"""Of a camera of which nothing is known but the codec."""

HIGH, MAIN, BASELINE = 100, 77, 66
"""Profiles of H.264, by profile_idc (ITU-T H.264 A.2). H.265 is always Main: every decoder of
another profile that cameras use decodes that, too."""

_MEMORY = {"h264": (4 << 20, 34), "h265": (18 << 20, 58)}
"""What an encoder takes, in bytes, and for each pixel besides: x264 62 MB and x265 122 MB of
1920x1080, 9 and 28 MB of 640x360 (VmData, PyAV 18.1)."""


@dataclass(frozen=True, slots=True)
class SlateFormat:
    """What one slate is coded as.

    Attributes:
        codec: ``h264`` or ``h265``.
        width: Even, as 4:2:0 has it.
        height: Likewise.
        profile: profile_idc of H.264: `HIGH`, `MAIN` or `BASELINE`; 0 for H.265.
        level: Tenfold: 41 is 4.1; 0: whatever the encoder chooses.
        aspect: Width and height of one pixel; 0: not said.
    """

    codec: SlateCodec
    width: int
    height: int
    profile: int
    level: int
    aspect: tuple[int, int] = (0, 0)

    @property
    def memory_bytes(self) -> int:
        """What its encoder takes."""
        fixed, per_pixel = _MEMORY[self.codec]
        return fixed + per_pixel * self.width * self.height

    def smaller(self) -> Iterator[SlateFormat]:
        """Yield it, and then the same shape at a half and a quarter of the size."""
        yield self
        for divisor in (2, 4):
            width, height = self.width // divisor & ~1, self.height // divisor & ~1
            if min(width, height) >= LEAST_SIDE:
                yield replace(self, width=width, height=height)


def slate_format(codec: Codec, picture: VideoInfo | None) -> SlateFormat:
    """Return what stands in for a stream that viewers get as *codec*.

    Args:
        codec: ``h264`` or ``h265``; viewers get no other.
        picture: What the camera's parameter sets said last; None: nothing is known of them.
    """
    chosen: SlateCodec = "h265" if codec == "h265" else "h264"
    if picture is None:
        return SlateFormat(chosen, *USUAL_SIZE, HIGH if chosen == "h264" else 0, 0)
    width = min(max(picture.width, LEAST_SIDE), MAX_WIDTH) & ~1
    height = min(max(picture.height, LEAST_SIDE), MAX_HEIGHT) & ~1
    aspect = picture.pixel_aspect or (0, 0)
    if chosen == "h265":
        return SlateFormat(chosen, width, height, 0, _level(picture.level), aspect)
    exact = picture.profile_idc in (BASELINE, MAIN)
    profile = picture.profile_idc if exact else HIGH
    return SlateFormat(chosen, width, height, profile, _level(picture.level), aspect)


def _level(text: str) -> int:
    """Return ``4.1`` as 41; 0 for what an encoder does not take by that name (``1b``)."""
    whole, _, part = text.partition(".")
    return int(whole) * 10 + int(part or 0) if whole.isdigit() and part.isdigit() else 0
