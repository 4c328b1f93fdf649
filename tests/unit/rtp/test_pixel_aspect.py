"""Whether a picture is shown in the shape in which it is meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.pixel_aspect import doubt_about_pixels

PixelAspect = tuple[int, int] | None


@pytest.mark.parametrize(
    ("width", "height", "pixel_aspect"),
    [
        (704, 576, None),
        (720, 576, (1, 1)),
        (352, 288, None),
        (704, 288, None),
        (352, 576, (1, 1)),
        (720, 480, None),
        (960, 576, None),
        (960, 480, (1, 1)),
        (944, 1080, None),
        (960, 1080, (1, 1)),
        (640, 720, None),
        (1280, 1440, None),
        (1296, 1944, None),
        (1920, 2160, None),
        (1920, 1080, (12, 11)),
        (640, 480, (2, 1)),
        (704, 576, (40, 11)),
    ],
)
def test_squeezed_pictures_are_told(width: int, height: int, pixel_aspect: PixelAspect) -> None:
    """Without a word, with square pixels, or with those of another size."""
    assert doubt_about_pixels(width, height, pixel_aspect)


@pytest.mark.parametrize(
    ("width", "height", "pixel_aspect"),
    [
        (704, 576, (12, 11)),
        (720, 576, (12, 11)),
        (720, 576, (16, 15)),
        (704, 576, (16, 11)),
        (704, 480, (10, 11)),
        (352, 288, (12, 11)),
        (960, 576, (4, 5)),
        (960, 1080, (2, 1)),
        (1440, 1080, (4, 3)),
        (1920, 1080, None),
        (1920, 1080, (1, 1)),
        (1280, 960, None),
        (2592, 1944, None),
        (640, 480, None),
        (640, 360, (1, 1)),
        (1080, 1920, None),
        (2560, 2560, (1, 1)),
    ],
)
def test_pictures_in_their_shape_are_not(
    width: int, height: int, pixel_aspect: PixelAspect
) -> None:
    """Television that says its pixels, wide or not; sensors, upright and round ones too."""
    assert doubt_about_pixels(width, height, pixel_aspect) == ""


sides = st.integers(1, 1 << 17)


@given(sides, sides, st.none() | st.tuples(st.integers(1, 65_535), st.integers(1, 65_535)))
def test_no_sps_makes_it_raise(width: int, height: int, pixel_aspect: PixelAspect) -> None:
    """Whatever a camera says is a sentence or none."""
    assert isinstance(doubt_about_pixels(width, height, pixel_aspect), str)
