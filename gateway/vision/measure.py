"""From a picture to figures: pure functions on arrays of luma. Only the child process loads this.

Everything is measured on small copies: 320 pixels wide for sharpness, 160 x 90 for the rest, where
averaging has taken most of a night's noise away. The top and bottom tenth are left out where detail
is looked for and where two pictures are compared: cameras write the time there.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.vision.metrics import (
    DIGEST_BYTES,
    THUMB_HEIGHT,
    THUMB_WIDTH,
    PictureAnalysis,
    PictureMetrics,
)

Plane = NDArray[np.uint8]
Field = NDArray[np.float32]

SHARP_WIDTH = 320
TILE = 10
"""Pixels of the thumbnail to a side: 16 x 9 tiles."""
FLAT_CONTRAST = 0.025
"""Standard deviation by brightness in a tile below which nothing is to be seen in it."""
DARK = 16.0
"""Added to a brightness that is divided by, or taken the logarithm of: black is 16."""
BLEND = 16
"""The reference follows by this part of a difference, at least by one step of 255."""
_MARGIN = THUMB_HEIGHT // 10
_SHARP_TILES = (16, 9)
_PLAIN_PERCENT = 25


def analyze(luma: Plane, colour: float, reference: bytes) -> PictureAnalysis:
    """Return what is to be seen in *luma*, compared with *reference*.

    Args:
        luma: The decoded picture, 8 bits.
        colour: Mean distance of its chroma from grey.
        reference: An earlier thumbnail; empty if there is none.
    """
    height, width = luma.shape
    now = thumbnail(luma)
    smooth = _smooth(now)
    structured = _contrast(smooth) >= FLAT_CONTRAST
    old = np.frombuffer(reference, np.uint8).reshape(now.shape) if reference else None
    lost, likeness, aligned, shift = 0.0, 1.0, 1.0, (0.0, 0.0)
    if old is not None:
        before = _smooth(old)
        lost = _lost(_contrast(before) >= FLAT_CONTRAST, structured)
        likeness, aligned, shift = compare(edges(before), edges(smooth))
    figures = PictureMetrics(
        width=width,
        height=height,
        digest=hashlib.blake2b(luma.tobytes(), digest_size=DIGEST_BYTES).digest(),
        bright=float(np.percentile(now, 90)),
        mean=float(now.mean()),
        colour=colour,
        flat=1.0 - float(structured[1:-1].mean()),
        lost=lost,
        sharpness=sharpness(luma),
        likeness=likeness,
        aligned=aligned,
        shift_x=shift[0] / THUMB_WIDTH,
        shift_y=shift[1] / THUMB_WIDTH,
    )
    return PictureAnalysis(
        figures, now.tobytes(), (now if old is None else blend(old, now)).tobytes()
    )


def thumbnail(luma: Plane) -> Plane:
    """Return *luma* at 160 x 90, each pixel the mean of those it stands for."""
    size = (THUMB_WIDTH, THUMB_HEIGHT)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def sharpness(luma: Plane) -> float:
    """Return how much fine detail there is, whatever the brightness and the sensor's noise."""
    height, width = luma.shape
    if width > SHARP_WIDTH:
        size = (SHARP_WIDTH, max(2, round(height * SHARP_WIDTH / width)))
        luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    margin = luma.shape[0] // 10
    middle = luma[margin : luma.shape[0] - margin].astype(np.float32)
    power = np.square(cv2.Laplacian(middle, cv2.CV_32F))
    tiles = cv2.resize(power, _SHARP_TILES, interpolation=cv2.INTER_AREA)
    # Noise is everywhere, detail is not: what the plainest tiles have is noise. A noisy night
    # would else be the sharpest picture of the day, and every morning after it blurred.
    detail = max(0.0, float(tiles.mean() - np.percentile(tiles, _PLAIN_PERCENT)))
    return detail / (float(middle.mean()) + DARK) ** 2


def edges(smooth: Field) -> Field:
    """Return the strength of edges, of the middle, indifferent to the amount of light."""
    logarithm = np.log(smooth + DARK).astype(np.float32)
    strength = cv2.magnitude(
        cv2.Sobel(logarithm, cv2.CV_32F, 1, 0), cv2.Sobel(logarithm, cv2.CV_32F, 0, 1)
    )[_MARGIN:-_MARGIN]
    # A few hard edges (a window, a lamp) must not speak for the whole picture.
    return np.asarray(np.minimum(strength, np.percentile(strength, 95)), np.float32)


def compare(before: Field, now: Field) -> tuple[float, float, tuple[float, float]]:
    """Return how alike two edge pictures are, how alike after the best shift, and that shift."""
    likeness = _correlation(before, now)
    window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    (x, y), _response = cv2.phaseCorrelate(before - before.mean(), now - now.mean(), window)
    columns, rows = round(x), round(y)
    height, width = before.shape
    if abs(columns) > width // 2 or abs(rows) > height // 2:
        return likeness, likeness, (0.0, 0.0)
    there = now[max(0, rows) : height + min(0, rows), max(0, columns) : width + min(0, columns)]
    here = before[max(0, -rows) : height - max(0, rows), max(0, -columns) : width - max(0, columns)]
    return likeness, _correlation(here, there), (float(x), float(y))


def blend(reference: Plane, now: Plane) -> Plane:
    """Return *reference* a small step towards *now*; who crosses the picture leaves no trace."""
    gap = now.astype(np.int16) - reference
    step = np.sign(gap) * np.maximum(1, np.abs(gap) // BLEND)
    return (reference + np.where(gap == 0, 0, step)).astype(np.uint8)


def _smooth(thumb: Plane) -> Field:
    return np.asarray(cv2.GaussianBlur(thumb.astype(np.float32), (5, 5), 0), np.float32)


def _contrast(smooth: Field) -> Field:
    """Return standard deviation by brightness of every tile."""
    rows, columns = THUMB_HEIGHT // TILE, THUMB_WIDTH // TILE
    tiles = smooth.reshape(rows, TILE, columns, TILE)
    contrast = tiles.std(axis=(1, 3)) / (tiles.mean(axis=(1, 3)) + np.float32(DARK))
    return np.asarray(contrast, np.float32)


def _lost(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> float:
    seen = int(before.sum())
    return float((before & ~now).sum()) / seen if seen else 0.0


def _correlation(one: Field, other: Field) -> float:
    """Return Pearson's correlation; 0 if one of them is the same everywhere."""
    first, second = one - one.mean(), other - other.mean()
    power = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / power if power > 1e-6 else 0.0
