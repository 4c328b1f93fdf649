"""Slates as pictures: every reason, also on the smallest camera."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.slates.drawing import BACKGROUND, Drawing, as_yuv420
from gateway.slates.slate_format import LEAST_SIDE

CLOCK = "28/11/2026 14:30:05"
SIZES = [(1920, 1080), (1280, 720), (704, 576), (352, 288), (720, 1280), (160, 120)]
LONGEST = max(WORDING, key=lambda reason: len(WORDING[reason].vi))


def drawing(size: tuple[int, int], reason: Reason = LONGEST) -> Drawing:
    return Drawing(*size, WORDING[reason].vi, WORDING[reason].en)


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


def test_the_smallest_slate_is_drawn_though_not_all_of_it_fits() -> None:
    """Characters are not made smaller than can be read."""
    luma = drawing((LEAST_SIDE, LEAST_SIDE)).at(CLOCK)

    assert luma.shape == (LEAST_SIDE, LEAST_SIDE)
    assert np.any(luma != BACKGROUND)
