"""What another relay's own `ffmpeg` is told to make of a camera: the job that ours does itself.

Alike for all: H.264 High of libx264 `superfast`, `zerolatency`, the same size, bit rate and GOP,
and `bwdif` where the camera is interlaced. ``plain`` leaves the rest as the relay's users have it:
as many threads as FFmpeg takes, and its own way of scaling (bicubic). ``tuned`` has one thread and
scales as ours does.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from gateway.demo.encoder import EncoderSettings
from gateway.transcoding.output_format import OutputFormat, interpolation, output_size

FFMPEG = "/usr/bin/ffmpeg"
Manner = Literal["plain", "tuned"]
_ONE_THREAD = ("-threads", "1", "-filter_threads", "1")


@dataclass(frozen=True, slots=True)
class Conversion:
    """One camera's job.

    Attributes:
        settings: What the camera sends.
        output: What is made of it.
        manner: How the relay's `ffmpeg` is told to do it.
    """

    settings: EncoderSettings
    output: OutputFormat = OutputFormat()  # noqa: RUF009 (frozen)
    manner: Manner = "plain"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out."""
        sent = self.settings
        pixel = Fraction(*sent.pixel_aspect)
        return output_size(sent.width, sent.height, pixel, self.output.height)

    @property
    def kbps(self) -> int:
        """Of what comes out."""
        return self.output.bitrate_bps // 1000

    @property
    def input_options(self) -> tuple[str, ...]:
        """What stands before FFmpeg's ``-i`` beside what the relay gives."""
        return _ONE_THREAD if self.manner == "tuned" else ()

    @property
    def filters(self) -> str:
        """FFmpeg's ``-vf``."""
        first = "bwdif=mode=send_frame:deint=interlaced," if self.settings.interlaced else ""
        width, height = self.size
        return f"{first}scale={width}:{height}" + (self._flags if self.manner == "tuned" else "")

    @property
    def _flags(self) -> str:
        sent = self.settings
        return f":flags={interpolation((sent.width, sent.height), self.size)}"

    @property
    def encoder_options(self) -> tuple[str, ...]:
        """Codec, preset, rate and GOP for FFmpeg."""
        kbps, output = self.kbps, self.output
        return (
            *("-c:v", "libx264", "-preset", output.preset, "-tune", "zerolatency"),
            *("-profile:v", output.profile, "-pix_fmt", "yuv420p"),
            *("-g", str(round(output.gop_s * self.settings.fps)), "-b:v", f"{kbps}k"),
            *("-maxrate", f"{kbps * 3 // 2}k", "-bufsize", f"{kbps * 3 // 2}k"),
            *(("-threads", "1") if self.manner == "tuned" else ()),
        )
