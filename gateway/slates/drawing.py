"""Draws a slate: why there is no picture, in Vietnamese and English, and the time.

In the child process only: OpenCV is loaded here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.vision.writing import Writing

Luma = npt.NDArray[np.uint8]

BACKGROUND, FAINT, BRIGHT = 28, 170, 235
"""Luma within the limited range (ITU-R BT.709): 16 is black, 235 white."""

SHARE, SECOND_SHARE, CLOCK_SHARE = 0.075, 0.62, 0.85
"""The size of the first line, of the picture's smaller side; of the others, of the first line."""
LEAST_SIZE = 9
FILLED = 0.9
"""No more of the width and height than this has characters on it; televisions cut the edge off."""
LINE = 1.3
"""Distance of lines, of the size of characters."""
GAP = 0.7
"""Between the texts, of the size of the first."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: int
    top: int
    luma: int


class Drawing:
    """One slate.

    Args:
        width: Of the picture.
        height: Likewise.
        first: The Vietnamese text, which leads.
        second: The English one.
    """

    def __init__(self, width: int, height: int, first: str, second: str) -> None:
        self._width, self._height = width, height
        self._writing = Writing()
        size = max(LEAST_SIZE, round(SHARE * min(height, width * 0.75)))
        while True:
            lines, below, clock_size = self._laid_out(size, first, second)
            if below <= FILLED * height or size <= LEAST_SIZE:
                break
            size = max(LEAST_SIZE, int(size * 0.93))
        shift = max(0, round((height - below) / 2))
        self._still = np.full((height, width), BACKGROUND, np.uint8)
        for line in lines:
            self._write(self._still, line.text, line.top + shift, line.size, line.luma)
        self._clock_size = clock_size
        self._clock_top = shift + below - round(LINE * clock_size)

    def at(self, clock: str) -> Luma:
        """Return the luma of the picture with *clock* as the time."""
        luma = self._still.copy()
        self._write(luma, clock, self._clock_top, self._clock_size, BRIGHT)
        return luma

    def _laid_out(self, size: int, first: str, second: str) -> tuple[list[_Line], int, int]:
        """Return the lines that stay, from 0 down, where the clock's ends, and the clock's size."""
        lines: list[_Line] = []
        top = 0
        for text, share, luma in ((first, 1.0, BRIGHT), (second, SECOND_SHARE, FAINT)):
            own = max(LEAST_SIZE, round(size * share))
            for piece in self._wrapped(text, own):
                lines.append(_Line(piece, own, top, luma))
                top += round(LINE * own)
            top += round(GAP * size)
        clock_size = max(LEAST_SIZE, round(size * CLOCK_SHARE))
        return lines, top + round(LINE * clock_size), clock_size

    def _wrapped(self, text: str, size: int) -> list[str]:
        """Return *text* in lines that fit; a word that does not fit has one for itself."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._width_of(longer, size) <= FILLED * self._width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def _width_of(self, text: str, size: int) -> int:
        return self._writing.width(text, size)

    def _write(self, luma: Luma, text: str, top: int, size: int, value: int) -> None:
        left = max(0, (self._width - self._width_of(text, size)) // 2)
        self._writing.write(luma, text, (left, top + size), size, value)


def as_yuv420(luma: Luma) -> Luma:
    """Return *luma* without colour, the planes one below the other as FFmpeg's yuv420p has them."""
    height, width = luma.shape
    colourless = np.full((height // 2, width), 128, np.uint8)
    return np.concatenate((luma, colourless))
