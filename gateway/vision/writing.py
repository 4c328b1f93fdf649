"""Vietnamese text on a picture, grey or in colours.

No font need be installed: OpenCV's own ones have all Vietnamese characters, of which `Writing`
mends the two that are wrong.
"""

from __future__ import annotations

import re

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""Rows and columns of luma, or of blue, green and red."""

WEIGHT = 400
"""Regular. Characters that the first of OpenCV's fonts lacks come from another, which has no other
weight."""
MENDED = {"ờ": ("ơ", "ừ"), "ỡ": ("ơ", "ữ")}
"""OpenCV 5.0 draws the first as another character, and the second without its horn: what to
draw instead, and which character has the right accent, over an ``ư``."""
_BROKEN = re.compile(f"([{''.join(MENDED)}])")


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

    def write(
        self, picture: Picture, text: str, at: tuple[int, int], size: int, value: int
    ) -> None:
        """Write *text*, *at* the left end of its base line, *size* pixels high.

        Args:
            picture: Is written on.
            text: In NFC.
            at: Column and row.
            size: Of the font.
            value: Of every plane: 255 is white.
        """
        for piece in _BROKEN.split(text):
            if piece in MENDED:
                instead, accented = MENDED[piece]
                end = self._put(picture, instead, at, size, value)
                self._put_accent(picture, accented, (at[0] + end[0]) // 2, at[1], size, value)
                at = end
            elif piece:
                at = self._put(picture, piece, at, size, value)

    def _put(
        self, picture: Picture, text: str, at: tuple[int, int], size: int, value: int
    ) -> tuple[int, int]:
        """Write *text*; return where what follows it begins."""
        colour = (value, value, value)
        (x, y), _ = cv2.putText(picture, text, at, colour, self._face, size, WEIGHT)
        return int(x), int(y)

    def _put_accent(
        self, picture: Picture, accented: str, centre: int, base: int, size: int, value: int
    ) -> None:
        """Draw the accent of *accented* alone, in the middle of a character."""
        side = 3 * size
        with_accent, without = (np.zeros((side, side), np.uint8) for _ in range(2))
        at = (size, 2 * size)
        end = self._put(with_accent, accented, at, size, 255)
        self._put(without, "ư", at, size, 255)
        accent = cv2.subtract(with_accent, without)
        accent[2 * size - size // 2 :] = 0  # above the character only
        left, top = centre - (at[0] + end[0]) // 2, base - at[1]
        rows, columns = slice(max(0, -top), side), slice(max(0, -left), side)
        into = picture[max(0, top) : top + side, max(0, left) : left + side]
        cover = accent[rows, columns][: into.shape[0], : into.shape[1]] / np.float32(255)
        if into.ndim == 3:
            cover = cover[:, :, None]
        into[:] = np.rint(into + (value - into.astype(np.float32)) * cover)
