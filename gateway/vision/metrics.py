"""What one look at a decoded picture comes to: a few numbers and two thumbnails."""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, dataclass

THUMB_WIDTH, THUMB_HEIGHT = 160, 90
THUMB_BYTES = THUMB_WIDTH * THUMB_HEIGHT
"""A thumbnail is that many bytes of luma, row by row; too small to know a face in a hall."""

DIGEST_BYTES = 16
_LAYOUT = struct.Struct(f"!HH{DIGEST_BYTES}s10f")


@dataclass(frozen=True, slots=True)
class PictureMetrics:
    """One picture in numbers; compared with a reference where there is one.

    Attributes:
        width: Pixels.
        height: Pixels.
        digest: Of the decoded luma; equal for pictures that are the same in every pixel.
        bright: Luma that 90 % of the picture stay below, 0 to 255; letters drawn into the
            picture are less than the rest.
        mean: Mean luma.
        colour: Mean distance of the chroma from grey, 0 to 128; an infrared picture has none.
        flat: Share of the picture's middle, 0 to 1, in which nothing is to be seen.
        lost: Share of what was to be seen in the reference that is flat now; 0 without one.
        sharpness: Power of the Laplacian beyond that of noise, by the square of the brightness;
            comparable with other pictures of the same stream only.
        likeness: Correlation of edges with the reference's, -1 to 1; 1 without one.
        aligned: The same after the shift that fits best.
        shift_x: That shift, in picture widths.
        shift_y: Likewise vertically, also in picture widths.
    """

    width: int
    height: int
    digest: bytes
    bright: float
    mean: float
    colour: float
    flat: float
    lost: float
    sharpness: float
    likeness: float
    aligned: float
    shift_x: float
    shift_y: float

    def pack(self) -> bytes:
        """Return the figures as `LENGTH_BYTES` bytes."""
        return _LAYOUT.pack(*astuple(self))


METRICS_BYTES = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class PictureAnalysis:
    """One look.

    Attributes:
        figures: The picture in numbers.
        now: Its thumbnail.
        blended: The reference, a small step towards it; the same as *now* if there was none.
    """

    metrics: PictureMetrics
    thumbnail: bytes
    next_reference: bytes

    def pack(self) -> bytes:
        """Return the look as bytes that `unpack` reads."""
        return self.metrics.pack() + self.thumbnail + self.next_reference


def unpack_analysis(raw: bytes) -> PictureAnalysis:
    """Return the look in *raw*.

    Raises:
        ValueError: It is none. Whoever packed it may have been taken over by a hostile picture,
            so numbers that are none are refused too.
    """
    if len(raw) != METRICS_BYTES + 2 * THUMB_BYTES:
        raise ValueError(f"a look of {len(raw)} bytes")
    numbers = _LAYOUT.unpack_from(raw)
    if not all(math.isfinite(number) for number in numbers[3:]):
        raise ValueError("a look without numbers")
    thumbs = raw[METRICS_BYTES:]
    return PictureAnalysis(PictureMetrics(*numbers), thumbs[:THUMB_BYTES], thumbs[THUMB_BYTES:])
