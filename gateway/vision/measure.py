"""Computes picture metrics from luma arrays: pure functions, in the worker process only.

Everything is measured on reduced copies: 320 pixels wide for sharpness, 160 x 90 for the rest.
Averaging removes most of the sensor's noise. The top and bottom tenth are left out where detail is
measured and where two pictures are compared: cameras draw the time there.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.vision.metrics import (
    DIGEST_BYTES,
    GRAIN_BYTES,
    THUMB_HEIGHT,
    THUMB_WIDTH,
    PictureAnalysis,
    PictureMetrics,
)

Plane = NDArray[np.uint8]
Field = NDArray[np.float32]

SHARP_WIDTH = 320
GRAIN_SIZE = (320, 180)
GRAIN_MARGIN = 22
"""Rows at the top and at the bottom where cameras draw the time: an eighth."""
GRAIN_SIGMA = 1.5
"""What is around a place, in pixels."""
TILE = 10
"""Pixels of the thumbnail to a side: 16 x 9 tiles."""
FLAT_CONTRAST = 0.025
"""Standard deviation divided by brightness, below which a tile counts as flat."""
DARK = 16.0
"""Added to a brightness before a division or logarithm. Black is 16 (BT.601)."""
BLEND = 16
"""The reference moves by a 16th of the difference at each check, at least by one level."""
INTERLACED_LINES = frozenset((480, 486, 576, 1080))
"""Lines of a picture that may be two fields: analogue television, and HD after it."""
COMB_COLUMNS = 704
"""Only so many columns in the middle are looked at: as many as television has."""
COMB_STEP = 9
"""By how much a row must be brighter or darker than both its neighbours to be combed."""
COMB_BLOCK, COMB_PIXELS = 16, 80
"""A square of so many pixels to a side is combed if so many of its pixels are (isCombed of the
AviSynth filter TFM, which also has `COMB_STEP` and the kernel) ..."""
COMB_NOISE = 20
"""... unless more of them are in a quarter of the squares: noise looks like that everywhere."""
_COMB = np.array([[1], [-3], [4], [-3], [1]], np.float32)
_MARGIN = THUMB_HEIGHT // 10
_TILES = (16, 9)
_PLAIN_PERCENT = 25


def analyze(luma: Plane, colour: float, reference: bytes) -> PictureAnalysis:
    """Return the analysis of *luma*, compared with *reference*.

    Args:
        luma: The decoded picture, 8 bits.
        colour: Mean distance of its chroma from grey, 0 to 128.
        reference: Thumbnail to compare with, `THUMB_BYTES` long; empty if there is none.
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
    metrics = PictureMetrics(
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
        combed=combed_tiles(luma),
        grain=grain(luma),
    )
    return PictureAnalysis(
        metrics, now.tobytes(), (now if old is None else blend(old, now)).tobytes()
    )


def thumbnail(luma: Plane) -> Plane:
    """Return *luma* reduced to 160 x 90 by averaging."""
    size = (THUMB_WIDTH, THUMB_HEIGHT)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def sharpness(luma: Plane) -> float:
    """Return how much fine detail there is, independent of brightness and of sensor noise.

    It is the power of the Laplacian above that of the plainest quarter of the tiles, divided by
    the square of the brightness.
    """
    height, width = luma.shape
    if width > SHARP_WIDTH:
        size = (SHARP_WIDTH, max(2, round(height * SHARP_WIDTH / width)))
        luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    margin = luma.shape[0] // 10
    middle = luma[margin : luma.shape[0] - margin].astype(np.float32)
    power = np.square(cv2.Laplacian(middle, cv2.CV_32F))
    tiles = cv2.resize(power, _TILES, interpolation=cv2.INTER_AREA)
    # Noise is in every tile, detail is not, so the plainest tiles show how much is noise. Otherwise
    # a noisy night would be the sharpest picture and every morning would look blurred.
    detail = max(0.0, float(tiles.mean() - np.percentile(tiles, _PLAIN_PERCENT)))
    return detail / (float(middle.mean()) + DARK) ** 2


def combed_tiles(luma: Plane) -> bytes:
    """Return in which tiles of *luma* rows alternate, as those of two fields do where things move.

    One bit for each of 16 x 9 tiles, row by row, the first in the highest bit. A picture with lines
    that no television has is not looked at: none.
    """
    left = max(0, luma.shape[1] - COMB_COLUMNS) // 2
    luma = luma[:, left : left + COMB_COLUMNS]
    height, width = luma.shape
    rows, columns = height // COMB_BLOCK, width // COMB_BLOCK
    tiles = np.zeros(_TILES[::-1], np.bool_)
    if height not in INTERLACED_LINES or columns < _TILES[0]:
        return np.packbits(tiles).tobytes()
    even = cv2.blur(luma, (3, 1))  # noise is less then, and an edge that moves is as it was
    above, row, below = even[:-2], even[1:-1], even[2:]
    bright = cv2.min(cv2.subtract(row, above), cv2.subtract(row, below))
    dark = cv2.min(cv2.subtract(above, row), cv2.subtract(below, row))
    strong = np.abs(cv2.filter2D(even, cv2.CV_16S, _COMB)[1:-1]) > 6 * COMB_STEP
    combed = np.zeros((rows * COMB_BLOCK, columns * COMB_BLOCK), np.uint8)
    found = ((cv2.max(bright, dark) > COMB_STEP) & strong)[: len(combed), : combed.shape[1]]
    combed[: len(found)] = found
    blocks = combed.reshape(rows, COMB_BLOCK, columns, COMB_BLOCK).sum(axis=(1, 3))
    noisy = np.percentile(blocks, 75) > COMB_NOISE
    for y, x in () if noisy else np.argwhere(blocks > COMB_PIXELS):
        tiles[y * _TILES[1] // rows, x * _TILES[0] // columns] = True
    tiles[0] = tiles[-1] = False  # where cameras draw the time
    return np.packbits(tiles).tobytes()


def grain(luma: Plane) -> bytes:
    """Return one bit for each of many places of *luma*: whether it is brighter than around it."""
    if luma.shape[1] < GRAIN_SIZE[0] or luma.shape[0] < GRAIN_SIZE[1]:
        return bytes(GRAIN_BYTES)
    small = cv2.resize(luma, GRAIN_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    above = (small > cv2.GaussianBlur(small, (0, 0), GRAIN_SIGMA))[GRAIN_MARGIN:-GRAIN_MARGIN]
    places = above.ravel()[:: above.size // (8 * GRAIN_BYTES)][: 8 * GRAIN_BYTES]
    return np.packbits(places).tobytes()


def edges(smooth: Field) -> Field:
    """Return the strength of edges without the margins, independent of the amount of light."""
    logarithm = np.log(smooth + DARK).astype(np.float32)
    strength = cv2.magnitude(
        cv2.Sobel(logarithm, cv2.CV_32F, 1, 0), cv2.Sobel(logarithm, cv2.CV_32F, 0, 1)
    )[_MARGIN:-_MARGIN]
    # A few hard edges (a window, a lamp) must not dominate the picture.
    return np.asarray(np.minimum(strength, np.percentile(strength, 95)), np.float32)


def compare(before: Field, now: Field) -> tuple[float, float, tuple[float, float]]:
    """Return the correlation of two edge pictures, that after the best shift, and the shift (x, y).

    The shift is in pixels, found by phase correlation.
    """
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
    """Return *reference* moved a small step towards *now*, so that a passer-by leaves no trace."""
    gap = now.astype(np.int16) - reference
    step = np.sign(gap) * np.maximum(1, np.abs(gap) // BLEND)
    return (reference + np.where(gap == 0, 0, step)).astype(np.uint8)


def _smooth(thumb: Plane) -> Field:
    return np.asarray(cv2.GaussianBlur(thumb.astype(np.float32), (5, 5), 0), np.float32)


def _contrast(smooth: Field) -> Field:
    """Return the standard deviation of every tile divided by its brightness."""
    rows, columns = THUMB_HEIGHT // TILE, THUMB_WIDTH // TILE
    tiles = smooth.reshape(rows, TILE, columns, TILE)
    contrast = tiles.std(axis=(1, 3)) / (tiles.mean(axis=(1, 3)) + np.float32(DARK))
    return np.asarray(contrast, np.float32)


def _lost(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> float:
    seen = int(before.sum())
    return float((before & ~now).sum()) / seen if seen else 0.0


def _correlation(one: Field, other: Field) -> float:
    """Return Pearson's correlation; 0 if one of the two is constant."""
    first, second = one - one.mean(), other - other.mean()
    power = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / power if power > 1e-6 else 0.0
