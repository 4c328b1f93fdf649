"""Vietnamese on pictures: every character, grey and in colours."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

import cv2
import numpy as np
import pytest

from gateway.vision.writing import MENDED, Picture, Writing

CHARACTERS = [
    character
    for vowel in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY"
    for mark in ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
    for character in [unicodedata.normalize("NFC", vowel + mark)]
] + ["đ", "Đ"]


def written(text: str, size: int = 60) -> Picture:
    luma = np.zeros((2 * size, 2 * size), np.uint8)
    Writing().write(luma, text, (10, size + size // 2), size, 255)
    return luma


def test_no_two_vietnamese_characters_look_the_same() -> None:
    """OpenCV's own font draws ``ờ`` as ``ớ``."""
    looks = defaultdict(list)
    for character in CHARACTERS:
        looks[written(character).tobytes()].append(character)

    assert [same for same in looks.values() if len(same) > 1] == []
    assert np.zeros((120, 120), np.uint8).tobytes() not in looks


@pytest.mark.parametrize("size", [12, 24, 60])
@pytest.mark.parametrize(("character", "without"), [("ờ", "ơ"), ("ỡ", "ơ")])
def test_a_mended_character_is_the_right_one_with_its_accent(
    character: str, without: str, size: int
) -> None:
    """All of the character without it is there, and something above."""
    whole, base = written(character, size), written(without, size)

    assert np.all(whole >= base)
    above = np.argwhere(whole > base)
    assert len(above) > 2
    assert above[:, 0].max() < np.argwhere(base)[:, 0].max() - size // 4


def test_the_font_still_needs_mending() -> None:
    """Once OpenCV draws them right, `MENDED` can go."""
    face = cv2.FontFace("sans")

    def plain(text: str) -> Picture:
        luma = np.zeros((120, 120), np.uint8)
        cv2.putText(luma, text, (10, 90), (255, 255, 255), face, 60, 400)
        return luma

    assert set(MENDED) == {"ờ", "ỡ"}
    assert np.array_equal(plain("ờ"), plain("ớ"))


@pytest.mark.parametrize("character", MENDED)
def test_a_mended_character_is_the_same_in_colours(character: str) -> None:
    """Each plane is as the grey picture, on a background that is not black."""
    grey = np.full((120, 120), 90, np.uint8)
    coloured = np.full((120, 120, 3), 90, np.uint8)
    for picture in (grey, coloured):
        Writing().write(picture, character, (10, 90), 60, 255)

    assert np.any(grey != 90)
    assert np.array_equal(coloured, np.repeat(grey[:, :, None], 3, axis=2))
