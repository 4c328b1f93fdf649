"""What parameter sets and picture headers say that is worth showing to people."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rtp.bit_reader import BitReader

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
        pixel_aspect: Width and height of one pixel (sample aspect ratio), neither of them 0; None
            if the SPS does not say.
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


_EXTENDED_SAR = 255
_PIXEL_ASPECTS = (
    *(None, (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11)),
    *((80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
"""Table E-1 of ITU-T H.264 and of H.265."""


def read_pixel_aspect(bits: BitReader) -> tuple[int, int] | None:
    """Return the sample aspect ratio that a VUI begins with; None: it does not say.

    Raises:
        Malformed: It is cut off.
    """
    if not bits.flag():
        return None
    number = bits.u(8)
    if number == _EXTENDED_SAR:
        width, height = bits.u(16), bits.u(16)
        return (width, height) if width and height else None
    return _PIXEL_ASPECTS[number] if number < len(_PIXEL_ASPECTS) else None
