"""Slates as pictures: every Vietnamese character, every reason, also on the smallest camera."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

import cv2
import numpy as np
import pytest

from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.slates.drawing import BACKGROUND, MENDED, Drawing, Luma, Writing, as_yuv420

CLOCK = "28/11/2026 14:30:05"
SIZES = [(1920, 1080), (1280, 720), (704, 576), (352, 288), (720, 1280), (160, 120)]
LONGEST = max(WORDING, key=lambda reason: len(WORDING[reason].vi))

CHARACTERS = [
    character
    for vowel in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY"
    for mark in ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
    for character in [unicodedata.normalize("NFC", vowel + mark)]
] + ["đ", "Đ"]


def written(text: str, size: int = 60) -> Luma:
    luma = np.zeros((2 * size, 2 * size), np.uint8)
    Writing().write(luma, text, (10, size + size // 2), size, 255)
    return luma


def drawing(size: tuple[int, int], reason: Reason = LONGEST) -> Drawing:
    return Drawing(*size, WORDING[reason].vi, WORDING[reason].en)


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

    def plain(text: str) -> Luma:
        luma = np.zeros((120, 120), np.uint8)
        cv2.putText(luma, text, (10, 90), (255, 255, 255), face, 60, 400)
        return luma

    assert set(MENDED) == {"ờ", "ỡ"}
    assert np.array_equal(plain("ờ"), plain("ớ"))


@pytest.mark.parametrize("size", SIZES[:-1])
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_fits(reason: Reason, size: tuple[int, int]) -> None:
    """Away from the edges, which televisions cut off."""
    width, height = size

    luma = drawing(size, reason).at(CLOCK)

    ink = np.argwhere(luma != BACKGROUND)
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
    assert top >= 0.03 * height
    assert bottom <= 0.97 * height
    assert left >= 0.03 * width
    assert right <= 0.97 * width


@pytest.mark.parametrize("size", SIZES)
def test_only_the_clock_moves(size: tuple[int, int]) -> None:
    """So that a picture costs next to nothing; and it is whole."""
    picture = drawing(size)

    before, after = picture.at(CLOCK), picture.at("28/11/2026 14:30:06")

    changed = np.argwhere(before != after)
    assert len(changed)
    assert np.ptp(changed[:, 0]) < size[1] / 4


def test_the_languages_and_the_time_are_below_one_another() -> None:
    """Vietnamese first and larger, the time last."""
    luma = drawing((1280, 720), Reason.UNREACHABLE).at(CLOCK)

    inked = np.any(luma != BACKGROUND, axis=1).astype(np.int8)
    begins, ends = np.argwhere(np.diff(inked) == 1), np.argwhere(np.diff(inked) == -1)
    heights = (ends - begins).ravel()
    assert len(heights) == 3
    assert heights[0] == max(heights)


def test_the_planes_are_those_of_420() -> None:
    """Without colour."""
    planes = as_yuv420(np.full((288, 352), 77, np.uint8))

    assert planes.shape == (432, 352)
    assert set(planes[288:].ravel()) == {128}
