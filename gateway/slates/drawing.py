"""Draws a slate: why there is no picture, in Vietnamese and English, and the time.

In the child process only: OpenCV is loaded here. No font need be installed: its own ones have all
Vietnamese characters, of which `Writing` mends the two that are wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

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

WEIGHT = 400
"""Regular. Characters that the first of OpenCV's fonts lacks come from another, which has no other
weight."""
MENDED = {"ờ": ("ơ", "ừ"), "ỡ": ("ơ", "ữ")}
"""OpenCV 5.0 draws the first as another character, and the second without its horn: what to
draw instead, and which character has the right accent, over an ``ư``."""
_BROKEN = re.compile(f"([{''.join(MENDED)}])")


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


class Writing:
    """Writes with OpenCV's own font."""

    def __init__(self) -> None:
        self._face = cv2.FontFace("sans")

    def width(self, text: str, size: int) -> int:
        """Return how wide *text* is, in pixels."""
        for character, (instead, _) in MENDED.items():
            text = text.replace(character, instead)
        box = cv2.getTextSize((0, 0), text, (0, 0), self._face, size, WEIGHT)
        return int(box[2])

    def write(self, luma: Luma, text: str, at: tuple[int, int], size: int, value: int) -> None:
        """Write *text* onto *luma*, *at* the left end of its base line, *size* pixels high."""
        for piece in _BROKEN.split(text):
            if piece in MENDED:
                instead, accented = MENDED[piece]
                end = self._put(luma, instead, at, size, value)
                self._put_accent(luma, accented, (at[0] + end[0]) // 2, at[1], size, value)
                at = end
            elif piece:
                at = self._put(luma, piece, at, size, value)

    def _put(
        self, luma: Luma, text: str, at: tuple[int, int], size: int, value: int
    ) -> tuple[int, int]:
        """Write *text*; return where what follows it begins."""
        colour = (value, value, value)
        (x, y), _ = cv2.putText(luma, text, at, colour, self._face, size, WEIGHT)
        return int(x), int(y)

    def _put_accent(
        self, luma: Luma, accented: str, centre: int, base: int, size: int, value: int
    ) -> None:
        """Draw the accent of *accented* alone, in the middle of a character."""
        side = 3 * size
        with_accent, without = (np.zeros((side, side), np.uint8) for _ in range(2))
        at = (size, 2 * size)
        end = self._put(with_accent, accented, at, size, value)
        self._put(without, "ư", at, size, value)
        accent = cv2.subtract(with_accent, without)
        accent[2 * size - size // 2 :] = 0  # above the character only
        left, top = centre - (at[0] + end[0]) // 2, base - at[1]
        rows, columns = slice(max(0, -top), side), slice(max(0, -left), side)
        into = luma[max(0, top) : top + side, max(0, left) : left + side]
        part = accent[rows, columns][: into.shape[0], : into.shape[1]]
        np.maximum(into, part, out=into)


def as_yuv420(luma: Luma) -> Luma:
    """Return *luma* without colour, the planes one below the other as FFmpeg's yuv420p has them."""
    height, width = luma.shape
    colourless = np.full((height // 2, width), 128, np.uint8)
    return np.concatenate((luma, colourless))
