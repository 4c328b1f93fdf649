"""What a transcode sends, whatever comes in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Literal

from gateway.rtp.pixel_aspect import display_aspect

Preset = Literal["ultrafast", "superfast", "veryfast"]
"""Of x264. On 720p `superfast` gives the most picture for the processor it takes."""

PRESETS: tuple[Preset, ...] = ("ultrafast", "superfast", "veryfast")
PROFILES = ("high", "baseline")

REDUCED_HEIGHT, REDUCED_BPS, REDUCED_FPS = 360, 180_000, 5.0
"""Of the picture for a very narrow line; with headers it takes 0.2 Mb/s."""
REDUCED_BUFFER_S = 0.5
"""Its keyframes have at most so much of the rate, 11 kB: 0.3 s of a line of 0.3 Mb/s."""

MAX_SIDE = 8_192


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What comes out: H.264 without B-frames.

    Attributes:
        height: Most lines; a camera with fewer keeps its own.
        bitrate_bps: Target.
        fps: Most pictures per second.
        preset: Of x264.
        profile: ``high``, or ``baseline`` where a viewer needs it.
        gop_s: From keyframe to keyframe, in seconds.
        buffer_s: How much of the rate the decoder buffers (VBV); no keyframe is larger.
    """

    height: int = 720
    bitrate_bps: int = 1_500_000
    fps: float = 25.0
    preset: Preset = "superfast"
    profile: Literal["high", "baseline"] = "high"
    gop_s: float = 2.0
    buffer_s: float = 1.5

    def reduced(self) -> OutputFormat:
        """Return what is sent over a very narrow line, within the bounds of this one."""
        return replace(
            self,
            height=min(self.height, REDUCED_HEIGHT),
            bitrate_bps=min(self.bitrate_bps, REDUCED_BPS),
            fps=min(self.fps, REDUCED_FPS),
            buffer_s=REDUCED_BUFFER_S,
        )

    def to_arguments(self) -> list[str]:
        """Return it as arguments for the child (`from_arguments`)."""
        return [f"{key}={value}" for key, value in asdict(self).items()]

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> OutputFormat:
        """Return what `to_arguments` has written. Raises ValueError or KeyError."""
        given = dict(each.split("=", 1) for each in arguments)
        preset = next(each for each in PRESETS if each == given["preset"])
        return cls(
            height=int(given["height"]),
            bitrate_bps=int(given["bitrate_bps"]),
            fps=float(given["fps"]),
            preset=preset,
            profile="baseline" if given["profile"] == "baseline" else "high",
            gop_s=float(given["gop_s"]),
            buffer_s=float(given["buffer_s"]),
        )


def output_size(
    width: int, height: int, aspect: Fraction | None, most_lines: int
) -> tuple[int, int]:
    """Return the size to encode a picture at: square pixels, even, no more lines than it has.

    Args:
        width: Of the camera's picture.
        height: Likewise.
        aspect: Width of one pixel through its height; None or 0: the camera does not say.
        most_lines: More lines than that are scaled down.
    """
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        meant = display_aspect(width, height)
        aspect = Fraction(1) if meant is None else meant * height / width
    lines = max(16, min(height, most_lines))
    columns = min(MAX_SIDE, max(16, round(width * aspect * lines / height)))
    return columns + 1 & ~1, lines & ~1


def interpolation(size: tuple[int, int], output: tuple[int, int]) -> Literal["area", "bicubic"]:
    """Return how FFmpeg scales a picture of *size* to *output*, by the name of its flag.

    ``area`` is the cheapest that keeps fine detail from turning into patterns where there are fewer
    pixels than before. Where there are only more, as with PAL's 720 columns made 768, ``bicubic``
    costs the same and is 3 dB nearer to the camera's picture.
    """
    fewer = output[0] < size[0] or output[1] < size[1]
    return "area" if fewer or output == size else "bicubic"
