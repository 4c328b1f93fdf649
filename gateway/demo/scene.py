"""Draws what a virtual camera sees: a hall with counters and people, its name, a running clock.

Plain OpenCV on arrays. The hall is drawn once; each picture adds a few people and the time from
prepared digits, which takes well under a millisecond.
"""

from __future__ import annotations

import math
import random
import unicodedata
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.model.local_time import VIETNAM
from gateway.vision.writing import Writing

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_WALLS: tuple[tuple[Colour, Colour], ...] = (  # top and bottom of the wall, blue-green-red
    ((196, 204, 190), (222, 226, 216)),
    ((178, 198, 214), (214, 224, 230)),
    ((206, 196, 184), (228, 222, 214)),
    ((186, 206, 206), (220, 228, 222)),
)
_SHIRTS: tuple[Colour, ...] = (
    (92, 62, 48),
    (60, 92, 160),
    (150, 120, 60),
    (70, 70, 76),
    (120, 150, 90),
    (140, 80, 130),
)
_SKIN: Colour = (150, 178, 214)


class Scene:
    """Draws pictures of one camera.

    Args:
        name: Written on the picture; any Unicode, brought to NFC.
        width: In pixels, even.
        height: In pixels, even.
    """

    def __init__(self, name: str, width: int, height: int) -> None:
        self.name = unicodedata.normalize("NFC", name)
        self._random = random.Random(self.name)
        self._width, self._height = width, height
        self._unit = height / 360
        self._writing = Writing()
        self._background = self._hall()
        self._digits = {sign: self._glyph(sign) for sign in "0123456789/:. "}
        self._walkers = [self._walker() for _ in range(4)]

    def draw(self, at: datetime) -> Image:
        """Return the picture at the moment *at*, blue-green-red."""
        image = self._background.copy()
        moment_s = at.timestamp() % 86_400
        for walker in self._walkers:
            self._figure(image, moment_s, *walker)
        local = at.astimezone(VIETNAM)
        self._stamp(image, local.strftime("%d/%m/%Y %H:%M:%S.") + f"{local.microsecond // 1000:03}")
        self._sweep(image, moment_s)
        return image

    def _px(self, length: float) -> int:
        return max(1, round(length * self._unit))

    def _hall(self) -> Image:
        top, bottom = _WALLS[self._random.randrange(len(_WALLS))]
        share = np.linspace(0, 1, self._height, dtype=np.float32)[:, None, None]
        column = np.array(top) * (1 - share) + np.array(bottom) * share
        image = np.repeat(column, self._width, axis=1).astype(np.uint8)
        floor = self._px(250)
        image[floor:] = (image[floor:].astype(np.float32) * (0.62, 0.68, 0.74)).astype(np.uint8)
        for row in range(7):  # tiles that grow towards us
            y = floor + self._px(2.3 * row * row)
            cv2.line(image, (0, y), (self._width, y), (132, 142, 148), 1, cv2.LINE_AA)
        for column_no in range(-12, 13):
            x = self._width // 2
            cv2.line(
                image,
                (x + self._px(column_no * 46), floor),
                (x + self._px(column_no * 110), self._height),
                (138, 148, 154),
                1,
                cv2.LINE_AA,
            )
        self._windows(image)
        self._counters(image)
        self._label(image)
        return image

    def _windows(self, image: Image) -> None:
        shift = self._random.randrange(60)
        for number in range(8):
            left = self._px(10 + shift + number * 130)
            box = (left, self._px(70)), (left + self._px(84), self._px(148))
            cv2.rectangle(image, *box, (236, 226, 206), -1)
            cv2.rectangle(image, *box, (150, 150, 150), self._px(2))
            middle = left + self._px(42)
            cv2.line(image, (middle, self._px(70)), (middle, self._px(148)), (160, 160, 160), 1)

    def _counters(self, image: Image) -> None:
        width, count = self._px(148), max(2, self._width // self._px(160))
        gap = (self._width - count * width) // (count + 1)
        for number in range(count):
            left = gap + number * (width + gap)
            top, bottom = self._px(196), self._px(262)
            cv2.rectangle(image, (left, top), (left + width, bottom), (84, 112, 148), -1)
            cv2.rectangle(image, (left, top), (left + width, top + self._px(9)), (64, 84, 112), -1)
            board = (left + width // 2 - self._px(15), self._px(166))
            corner = (board[0] + self._px(30), board[1] + self._px(22))
            cv2.rectangle(image, board, corner, (40, 40, 160), -1)
            self._write(image, str(number + 1), (board[0] + self._px(10), board[1]), 18)

    def _label(self, image: Image) -> None:
        height = self._px(40)
        band = image[:height]
        band[:] = (band * np.float32(0.25)).astype(np.uint8)
        self._write(image, self.name, (self._px(14), self._px(4)), 24)
        foot = image[self._height - self._px(30) :]
        foot[:] = (foot * np.float32(0.35)).astype(np.uint8)

    def _write(self, image: Image, text: str, at: tuple[int, int], size: float) -> None:
        """Write with the top left corner of the line at *at*."""
        base = at[0], at[1] + self._px(size)
        self._writing.write(image, text, base, self._px(size), 255)

    def _glyph(self, sign: str) -> Image:
        width = {"/": 10, ":": 7, ".": 7, " ": 7}.get(sign, 13)
        cell = np.full((self._px(24), self._px(width), 3), 60, np.uint8)
        self._write(cell, sign, (0, 0), 18)
        return cell

    def _stamp(self, image: Image, text: str) -> None:
        x, y = self._px(14), self._height - self._px(27)
        for sign in text:
            glyph = self._digits[sign]
            height, width = glyph.shape[:2]
            if x + width <= self._width:
                image[y : y + height, x : x + width] = glyph
            x += width

    def _sweep(self, image: Image, moment_s: float) -> None:
        """Draw the second hand: a small dot that goes round, so that a still picture shows."""
        radius, angle = self._px(9), moment_s % 1 * math.tau - math.pi / 2
        centre = (self._width - self._px(24), self._height - self._px(15))
        cv2.circle(image, centre, radius, (210, 210, 210), 1, cv2.LINE_AA)
        tip = (
            centre[0] + round(radius * math.cos(angle)),
            centre[1] + round(radius * math.sin(angle)),
        )
        cv2.line(image, centre, tip, (80, 220, 255), self._px(2), cv2.LINE_AA)

    def _walker(self) -> tuple[float, float, float, Colour]:
        choose = self._random
        shirt = choose.choice(_SHIRTS)
        return choose.uniform(0, 1), choose.uniform(0.02, 0.05), choose.uniform(262, 312), shirt

    def _figure(
        self,
        image: Image,
        moment_s: float,
        phase: float,
        speed: float,
        ground: float,
        shirt: Colour,
    ) -> None:
        """Draw a person who walks to and fro; *speed* is in picture widths per second."""
        way = (phase + moment_s * speed) % 2
        share = way if way <= 1 else 2 - way
        size = (ground - 170) / 100
        x = round(share * (self._width - self._px(40))) + self._px(20)
        foot = self._px(ground)
        swing = math.sin(moment_s * speed * 120) * 9 * size
        for side in (-1, 1):
            leg = x + self._px(abs(swing)) * side
            cv2.line(image, (x, foot - self._px(34 * size)), (leg, foot), (52, 48, 46), self._px(7))
        body = (x, foot - self._px(52 * size))
        axes = (self._px(13 * size), self._px(27 * size))
        cv2.ellipse(image, body, axes, 0, 0, 360, shirt, -1, cv2.LINE_AA)
        head = (x, foot - self._px(88 * size))
        cv2.circle(image, head, self._px(10 * size), _SKIN, -1, cv2.LINE_AA)
        hair = (self._px(10 * size), self._px(9 * size))
        cv2.ellipse(image, head, hair, 0, 180, 360, (40, 36, 34), -1, cv2.LINE_AA)
