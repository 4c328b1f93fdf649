"""Analysis of one decoded picture: numbers and two thumbnails."""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, dataclass

THUMB_WIDTH, THUMB_HEIGHT = 160, 90
THUMB_BYTES = THUMB_WIDTH * THUMB_HEIGHT
"""A thumbnail is luma, one byte per pixel, row by row: too small to recognise a face in a hall."""

DIGEST_BYTES = 16
COMBED_BYTES = 18
GRAIN_BYTES = 250
_LAYOUT = struct.Struct(f"!HH{DIGEST_BYTES}s{COMBED_BYTES}s{GRAIN_BYTES}s10f")


@dataclass(frozen=True, slots=True)
class PictureMetrics:
    """One picture in numbers, compared with a reference where there is one.

    Attributes:
        width: Pixels.
        height: Pixels.
        digest: BLAKE2b of the decoded luma; equal if two pictures are equal in every pixel.
        combed: One bit for each of 16 x 9 tiles: whether rows alternate there, as those of two
            fields do where something moves.
        grain: One bit for each of 2,000 places: whether it is brighter than what is around it,
            which is noise where there is no edge; all 0 if the picture is too small.
        bright: 90th percentile of luma, 0 to 255; text drawn into the picture is less than
            a tenth of it.
        mean: Mean luma.
        colour: Mean distance of the chroma from grey, 0 to 128; an infrared picture has none.
        flat: Share of the picture without margins, 0 to 1, that has no structure.
        lost: Share of the structured tiles of the reference that are flat now; 0 without one.
        sharpness: Power of the Laplacian above that of noise, divided by the square of the
            brightness; comparable within one stream only.
        likeness: Correlation of edges with those of the reference, -1 to 1; 1 without one.
        aligned: The same after the shift that fits best.
        shift_x: That shift, in picture widths.
        shift_y: Likewise vertically, also in picture widths.
    """

    width: int
    height: int
    digest: bytes
    combed: bytes
    grain: bytes
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
        """Return the metrics as `METRICS_BYTES` bytes."""
        return _LAYOUT.pack(*astuple(self))


METRICS_BYTES = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class PictureAnalysis:
    """What the worker returns of one picture.

    Attributes:
        metrics: The picture in numbers.
        thumbnail: Of this picture.
        next_reference: The reference moved a small step towards *thumbnail*; the same as
            *thumbnail* if there was none.
    """

    metrics: PictureMetrics
    thumbnail: bytes
    next_reference: bytes

    def pack(self) -> bytes:
        """Return the analysis as bytes that `unpack_analysis` parses."""
        return self.metrics.pack() + self.thumbnail + self.next_reference


def unpack_analysis(raw: bytes) -> PictureAnalysis:
    """Return the analysis in *raw*.

    Raises:
        ValueError: Wrong length, or a number is not finite. The worker may have been taken over
            by a hostile picture, so nothing in *raw* is trusted.
    """
    if len(raw) != METRICS_BYTES + 2 * THUMB_BYTES:
        raise ValueError(f"an analysis of {len(raw)} bytes")
    numbers = _LAYOUT.unpack_from(raw)
    if not all(math.isfinite(number) for number in numbers[5:]):
        raise ValueError("an analysis with numbers that are not finite")
    thumbs = raw[METRICS_BYTES:]
    return PictureAnalysis(PictureMetrics(*numbers), thumbs[:THUMB_BYTES], thumbs[THUMB_BYTES:])
