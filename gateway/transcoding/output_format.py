"""What a transcode sends, whatever comes in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Preset = Literal["ultrafast", "superfast", "veryfast"]
"""Of x264. On 720p `superfast` gives the most picture for the processor it takes."""

PRESETS: tuple[Preset, ...] = ("ultrafast", "superfast", "veryfast")
PROFILES = ("high", "baseline")


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
    """

    height: int = 720
    bitrate_bps: int = 1_500_000
    fps: float = 25.0
    preset: Preset = "superfast"
    profile: Literal["high", "baseline"] = "high"
    gop_s: float = 2.0

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
        )
