"""The size of what comes out: square pixels, even, never more lines than the camera has."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from gateway.transcoding.output_format import OutputFormat, interpolation, output_size


@pytest.mark.parametrize(
    ("size", "aspect", "lines", "out"),
    [
        ((1920, 1080), None, 720, (1280, 720)),
        ((1920, 1080), Fraction(1), 1080, (1920, 1080)),
        ((2560, 1440), Fraction(1), 720, (1280, 720)),
        ((640, 360), None, 720, (640, 360)),
        ((720, 576), Fraction(16, 15), 720, (768, 576)),
        ((720, 576), None, 720, (768, 576)),
        ((704, 480), None, 720, (640, 480)),
        ((352, 576), Fraction(24, 11), 720, (768, 576)),
        ((960, 1080), Fraction(2), 720, (1280, 720)),
        ((960, 1080), None, 720, (1280, 720)),
        ((960, 576), None, 720, (768, 576)),
        ((640, 480), None, 720, (640, 480)),
        ((1281, 721), None, 720, (1280, 720)),
        ((1280, 719), None, 720, (1280, 718)),
        ((400, 200), Fraction(4), 720, (1600, 200)),
        ((400, 200), Fraction(401, 100), 720, (400, 200)),
        ((400, 200), Fraction(1, 5), 720, (400, 200)),
        ((720, 576), Fraction(1000, 1), 720, (768, 576)),
        ((1080, 1920), None, 720, (406, 720)),
        ((16, 2), None, 720, (128, 16)),
        ((8192, 16), None, 720, (8192, 16)),
    ],
)
def test_output_size(
    size: tuple[int, int], aspect: Fraction | None, lines: int, out: tuple[int, int]
) -> None:
    """PAL and NTSC are 4:3, half of HD 16:9, though the camera says nothing; nonsense is none."""
    assert output_size(*size, aspect, lines) == out


@pytest.mark.parametrize(
    ("size", "out", "manner"),
    [
        ((1920, 1080), (1280, 720), "area"),
        ((1440, 1080), (1280, 720), "area"),
        ((720, 480), (640, 480), "area"),
        ((1280, 720), (1280, 720), "area"),
        ((720, 576), (768, 576), "bicubic"),
        ((352, 576), (768, 576), "bicubic"),
        ((352, 288), (384, 288), "bicubic"),
    ],
)
def test_interpolation(size: tuple[int, int], out: tuple[int, int], manner: str) -> None:
    """Cubic where pixels are only added; the mean of an area where some go."""
    assert interpolation(size, out) == manner


def test_the_reduced_picture_is_within_what_is_configured() -> None:
    """No more of anything than the whole one, and 0.2 Mb/s with headers."""
    assert OutputFormat().reduced() == OutputFormat(360, 180_000, 5.0, buffer_s=0.5)
    small = OutputFormat(240, 150_000, 4.0, "ultrafast", "baseline", 1.0)
    assert small.reduced() == replace(small, buffer_s=0.5)
