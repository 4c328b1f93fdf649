"""What parameter sets and picture headers say that is worth showing to people."""

from __future__ import annotations

from dataclasses import dataclass

MAX_WIDTH, MAX_HEIGHT = 4_096, 2_304
"""The largest picture that we are willing to decode; a larger one is a mistake or an attack."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The pictures of one stream, by its SPS, or by what stands in for it.

    Attributes:
        width: In luma samples, after cropping.
        height: Likewise.
        profile: As people call it: ``Baseline``, ``Main``, ``High``, ``Main 10`` ...
        profile_idc: Its number.
        level: As people write it: ``4.1``.
        reordered: Most pictures that may precede another in decoding order and follow it in
            display order (B-frames): 0 none, None if the SPS does not say.
        interlaced: Whether pictures may be fields.
        pixel_aspect: Width and height of one pixel (sample aspect ratio); None if the SPS does not
            say, or says it where we do not read (H.265).
    """

    width: int
    height: int
    profile: str
    profile_idc: int
    level: str
    reordered: int | None
    interlaced: bool
    pixel_aspect: tuple[int, int] | None = None

    @property
    def oversized(self) -> bool:
        """Whether it is larger than we are willing to decode."""
        return self.width > MAX_WIDTH or self.height > MAX_HEIGHT
