"""Picture sizes whose pixels are not square, and what a stream says of its pixels.

Analogue television is sampled with more columns than its 4:3 needs; recorders that cannot encode a
whole HD picture leave out every second column ("1080N", "4M-N"). Both are shown squeezed or
stretched unless the sample aspect ratio (ITU-T H.264 Table E-1) says how wide a pixel is.
"""

from __future__ import annotations

from fractions import Fraction

_TELEVISION, _WIDE = Fraction(4, 3), Fraction(16, 9)
_LINES = (576, 288, 480, 240)
_DISPLAY: dict[tuple[int, int], Fraction] = {
    **{(width, lines): _TELEVISION for width in (704, 720, 352) for lines in _LINES},
    **{(width, lines): _TELEVISION for width in (928, 944, 960) for lines in (576, 480)},
    **{(width, 1944): _TELEVISION for width in (1280, 1296)},
    **{(width, 1080): _WIDE for width in (944, 960)},
    **dict.fromkeys(((640, 720), (1280, 1440), (1920, 2160)), _WIDE),
}
"""Size -> the shape in which it is meant: D1, CIF and their halves, 960H, and half of HD."""

_TOLERANCE = 0.04
"""Of a shape. 720 columns with pixels of 12:11 are 2 % wider than 4:3: some count the black edges
of the line among the picture."""

_SHAPES = (_TELEVISION, _WIDE, 1 / _TELEVISION, 1 / _WIDE)
"""Those that cameras have, upright (corridor) ones too."""


def display_aspect(width: int, height: int) -> Fraction | None:
    """Return the shape in which a picture of that size is meant; None: that of its pixels."""
    return _DISPLAY.get((width, height))


def doubt_about_pixels(width: int, height: int, pixel_aspect: tuple[int, int] | None) -> str:
    """Return why a picture is shown too narrow or too wide; empty: as far as is known it is not.

    Args:
        width: In samples.
        height: Likewise.
        pixel_aspect: Width and height of one pixel, as the stream says; None: it does not.
    """
    meant = display_aspect(width, height)
    if meant is None and pixel_aspect in (None, (1, 1)):
        return ""
    shown = Fraction(width, height) * Fraction(*(pixel_aspect or (1, 1)))
    shapes = _SHAPES if pixel_aspect not in (None, (1, 1)) or meant is None else (meant,)
    if any(abs(shown / each - 1) <= _TOLERANCE for each in shapes):
        return ""
    said = "says nothing of" if pixel_aspect is None else "has {}:{} as".format(*pixel_aspect)
    wanted = f", meant as {meant.numerator}:{meant.denominator}" if meant else ""
    return f"{width}x{height} {said} its pixels: shown as {float(shown):.2f}:1{wanted}"
