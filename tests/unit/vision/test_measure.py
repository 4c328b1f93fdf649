"""What is said of pictures: real ones, decoded by the real worker, judged over many checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from gateway.demo.encoder import EncoderSettings, draw
from gateway.demo.scene import Scene
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.vision.decode import decode
from gateway.vision.decoder import Decoder
from gateway.vision.quality import PictureQuality
from tests.fixtures.hall import Hall, Image, coded, noisy
from tests.fixtures.pictures import patient_decoder

WELL: frozenset[Reason] = frozenset()


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    """A decoder that runs."""
    decoder = patient_decoder()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(decoder.run(), name="decoder")
        yield decoder
        running.cancel()


class Camera:
    """A hall, watched."""

    def __init__(self, decoder: Decoder, hall: Hall, codec: Codec = "h264") -> None:
        self.decoder = decoder
        self.hall = hall
        self.codec = codec
        self.quality = PictureQuality()

    async def check(self, count: int) -> list[frozenset[Reason]]:
        """Return what was said after each of *count* checks."""
        said = []
        for _ in range(count):
            analysis = await self.decoder.analyze(
                "c01", self.codec, self.hall.coded(self.codec), self.quality.reference
            )
            said.append(self.quality.update(analysis))
        return said


def only(reason: Reason) -> frozenset[Reason]:
    return frozenset({reason})


async def settled(decoder: Decoder, hall: Hall | None = None, codec: Codec = "h264") -> Camera:
    """A camera that has been well for a while."""
    camera = Camera(decoder, hall or Hall(), codec)
    assert set(await camera.check(14)) == {WELL}
    return camera


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_a_busy_hall_is_never_suspected(decoder: Decoder, codec: Codec) -> None:
    """People come and go, the sensor is noisy, the light falls slowly to a third."""
    camera = await settled(decoder, Hall(people=12), codec)
    said: list[frozenset[Reason]] = []
    for step in range(14):
        camera.hall.light = 1.0 - step * 0.05
        said += await camera.check(1)

    assert set(said) == {WELL}


async def test_a_black_picture_is_said_so_and_forgotten(decoder: Decoder) -> None:
    """After three checks; two good ones end it."""
    camera = await settled(decoder)
    camera.hall.light = 0.02
    assert await camera.check(4) == [WELL, WELL, *[only(Reason.PICTURE_BLACK)] * 2]
    camera.hall.light = 1.0
    assert await camera.check(2) == [only(Reason.PICTURE_BLACK), WELL]


async def test_a_frozen_picture_is_said_so(decoder: Decoder) -> None:
    """Three checks at the very same picture, a minute; a sensor is never so quiet."""
    camera = await settled(decoder)
    camera.hall.image()
    same = camera.hall.number

    said = []
    for _ in range(3):
        camera.hall.number = same
        said += await camera.check(1)

    assert said[-1] == only(Reason.PICTURE_FROZEN)
    assert said[:2] == [WELL, WELL]


async def test_a_blurred_picture_is_said_so(decoder: Decoder) -> None:
    """Against how sharp this camera usually is."""
    camera = await settled(decoder)
    camera.hall.blur = 4.0

    assert (await camera.check(3))[-1] == only(Reason.PICTURE_BLURRED)


async def test_a_covered_camera_is_said_so(decoder: Decoder) -> None:
    """Something plain before the lens; the light is on."""
    camera = await settled(decoder)
    camera.hall.covered = True

    assert (await camera.check(3))[-1] == only(Reason.PICTURE_COVERED)


@pytest.mark.parametrize("turned", [60, -120, 300])
async def test_a_turned_camera_is_said_so_until_it_is_back(decoder: Decoder, turned: int) -> None:
    """A tenth of the picture is enough; people in it do not hide it."""
    camera = await settled(decoder)
    camera.hall.turned = turned
    assert (await camera.check(12))[-1] == only(Reason.PICTURE_MOVED)
    camera.hall.turned = 0
    assert (await camera.check(2))[-1] == WELL


async def test_night_is_nothing_to_worry_about(decoder: Decoder) -> None:
    """A camera that changes to infrared, and back in the morning, is learnt anew."""
    camera = await settled(decoder)
    camera.hall.infrared, camera.hall.light, camera.hall.noise = True, 0.5, 6.0
    night = await camera.check(16)
    camera.hall.infrared, camera.hall.light, camera.hall.noise = False, 1.0, 3.0
    day = await camera.check(16)

    assert {*night, *day} == {WELL}


async def test_a_crowd_that_hides_half_the_hall_for_a_moment_is_none(decoder: Decoder) -> None:
    """Two checks are not three."""
    camera = await settled(decoder)
    camera.hall.covered = True
    said = await camera.check(2)
    camera.hall.covered = False
    said += await camera.check(3)

    assert set(said) == {WELL}


async def test_a_still_hall_at_night_is_alive_for_an_hour(decoder: Decoder) -> None:
    """Nobody is there and little light; what moves is the sensor's noise alone."""
    camera = Camera(decoder, Hall(people=0, light=0.15, noise=1.0))

    assert set(await camera.check(120)) == {WELL}


async def test_the_morning_after_a_noisy_night_is_not_blurred(decoder: Decoder) -> None:
    """Noise is no detail: that it has gone is no loss."""
    camera = await settled(decoder)
    camera.hall.light, camera.hall.noise = 0.3, 12.0
    night = await camera.check(30)
    camera.hall.light, camera.hall.noise = 1.0, 3.0

    assert {*night, *await camera.check(5)} == {WELL}


class NightHall(Hall):
    """A hall in which two lamps are left on."""

    def image(self) -> Image:
        """Return the next picture."""
        image = super().image()
        cv2.rectangle(image, (300, 120), (340, 140), (60, 255, 60), -1)
        cv2.circle(image, (120, 90), 40, (200, 220, 220), -1)
        return image


async def test_a_dark_hall_with_its_lamps_is_not_black(decoder: Decoder) -> None:
    """The doors are closed, the light is off: nothing is wrong. Without the lamps it is black."""
    camera = await settled(decoder)
    camera.hall = NightHall(people=0, light=0.04, noise=4.0)
    assert set(await camera.check(5)) == {WELL}
    camera.hall = Hall(people=0, light=0.0, noise=15.0)
    assert (await camera.check(3))[-1] == only(Reason.PICTURE_BLACK)


class PaleHall(Hall):
    """A hall of nearly no colour, a little more and a little less of it each time."""

    def image(self) -> Image:
        """Return the next picture."""
        image = super().image().astype(np.float32)
        grey = image.mean(axis=2, keepdims=True)
        strength = 0.19 if self.number % 2 else 0.14
        return np.asarray(np.clip(grey + (image - grey) * strength, 0, 255), np.uint8)


async def test_a_pale_hall_is_not_learnt_anew_each_time(decoder: Decoder) -> None:
    """It is about as grey as an infrared picture, and a turned camera is seen all the same."""
    camera = await settled(decoder, PaleHall())
    camera.hall.turned = 120

    assert (await camera.check(3))[-1] == only(Reason.PICTURE_MOVED)


async def test_a_camera_that_goes_from_view_to_view_is_meant_to(decoder: Decoder) -> None:
    """Three times it comes back; then nobody is told any more, until a day has passed."""
    camera = await settled(decoder)
    said = []
    for turned in (300, 0) * 6:
        camera.hall.turned = turned
        said += await camera.check(3)

    assert said.count(only(Reason.PICTURE_MOVED)) == 3 * 2
    assert set(said[18:]) == {WELL}


async def test_pictures_that_cannot_be_decoded_are_said_so() -> None:
    """Three in a row; a good one and another end it."""
    quality = PictureQuality()

    assert [
        quality.update_undecodable(),
        quality.update_undecodable(),
        quality.update_undecodable(),
    ] == [
        WELL,
        WELL,
        only(Reason.CORRUPT),
    ]


class RecordedHall(Hall):
    """A hall of which *length* pictures have been recorded, and are shown again and again."""

    length = 7

    def image(self) -> Image:
        """Return the next picture of the recording, noise and all."""
        self.number %= self.length
        return super().image()


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_a_recording_in_a_loop_is_said_so(decoder: Decoder, codec: Codec) -> None:
    """It was taken for a hall that is well; live pictures end it."""
    camera = await settled(decoder, codec=codec)
    live, camera.hall = camera.hall, RecordedHall()
    said = await camera.check(2 * RecordedHall.length)
    camera.hall = live

    assert said[-1] == only(Reason.PICTURE_LOOP)
    assert WELL in await camera.check(10)


class PlayedHall(Hall):
    """A hall of which pictures have been recorded, that a recorder takes in as an analogue camera.

    It adds its own noise and encodes them anew: no two pictures are equal.
    """

    length = 7
    shown = 0

    def coded(self, codec: Codec = "h264") -> bytes:
        """Return the next picture of the recording."""
        self.shown += 1
        recorded = decode("h264", coded(noisy(self.scene(self.shown % 7), self.shown % 7)))
        image = recorded.to_ndarray(format="bgr24").astype(np.float32)
        return coded(noisy(image, 1_000 + self.shown, 2.0), codec)


async def test_a_recording_that_is_encoded_anew_is_said_so(decoder: Decoder) -> None:
    """By the noise that it has kept."""
    camera = await settled(decoder)
    live, camera.hall = camera.hall, PlayedHall()
    said = await camera.check(40)
    camera.hall = live

    assert said[-1] == only(Reason.PICTURE_LOOP)
    assert WELL in await camera.check(40)


async def test_a_loop_that_is_looked_at_in_its_step_is_no_frozen_picture(decoder: Decoder) -> None:
    """Once it is known to be one."""
    camera = Camera(decoder, RecordedHall())
    await camera.check(2 * RecordedHall.length)
    said = []
    for _ in range(4):
        camera.hall.number = 3
        said += await camera.check(1)

    assert set(said) == {only(Reason.PICTURE_LOOP)}


async def test_a_covered_camera_is_in_no_loop(decoder: Decoder) -> None:
    """Nor a recorder's plain "no signal": what has nothing in it looks the same each time."""
    camera = await settled(decoder, Hall(noise=0.0))
    camera.hall.covered = True
    said = []
    for light in (1.0, 0.9, 0.8, 0.7) * 6:
        camera.hall.light = light
        said += await camera.check(1)

    assert not any(Reason.PICTURE_LOOP in each for each in said)


async def test_people_on_the_same_way_and_lights_that_are_switched_are_no_loop(
    decoder: Decoder,
) -> None:
    """The hall repeats itself in all but its noise: an hour at a check every 30 s."""
    camera = await settled(decoder)
    said = []
    for number in range(120):
        camera.hall.light = 1.0 if number % 40 < 30 else 0.8
        analysis = await decoder.analyze(
            "c01",
            "h264",
            coded(noisy(camera.hall.scene(number % 8), 1_000 + number)),
            camera.quality.reference,
        )
        said.append(camera.quality.update(analysis))

    assert set(said) == {WELL}


class Walkers:
    """A hall with people who walk through it, filmed by an analogue camera or a network camera.

    Attributes:
        interlaced: Whether a picture is two fields, a fiftieth of a second apart.
        blind: Whether a blind with a slat in every other row hangs there.
    """

    def __init__(
        self, *, interlaced: bool, width: int = 704, height: int = 576, noise: float = 4.0
    ) -> None:
        self.settings = EncoderSettings(
            "h264", width, height, bitrate_bps=4_000_000, interlaced=interlaced, flagged=False
        )
        self.blind = False
        self._noise = noise
        self._scene = Scene("Sảnh", width, height)
        self._number = 0

    def coded(self, codec: Codec = "h264") -> bytes:
        """Return the next picture, 30 s on, as a keyframe of a stream that says progressive."""
        self._number += 1
        at = datetime(2026, 1, 5, 1, 0, tzinfo=UTC) + timedelta(seconds=30 * self._number)
        image = draw(self._scene, at, self.settings)
        if self.blind:
            image[120:300:2, 200:400] = 60
            image[121:300:2, 200:400] = 120
        return coded(noisy(image.astype(np.float32), self._number, self._noise), codec)


async def interlaced_by(decoder: Decoder, walkers: Walkers, checks: int) -> bool:
    """Whether so many checks at *walkers* show that their pictures are two fields each."""
    quality = PictureQuality()
    for _ in range(checks):
        quality.update(await decoder.analyze("c1", "h264", walkers.coded(), quality.reference))
    return bool(quality.interlaced)


@pytest.mark.parametrize(("width", "height"), [(704, 576), (960, 576), (720, 480), (1920, 1080)])
async def test_interlace_is_seen_in_a_stream_that_says_progressive(
    decoder: Decoder, width: int, height: int
) -> None:
    """As DVRs send it; a network camera that films the same is never taken for one."""
    size = {"width": width, "height": height}

    assert await interlaced_by(decoder, Walkers(interlaced=True, **size), 20)
    assert not await interlaced_by(decoder, Walkers(interlaced=False, **size), 20)


@pytest.mark.parametrize("noise", [0.0, 12.0, 25.0])
async def test_neither_noise_nor_a_blind_is_interlace(decoder: Decoder, noise: float) -> None:
    """One is everywhere, the other hangs still."""
    walkers = Walkers(interlaced=False, noise=noise)
    walkers.blind = True

    assert not await interlaced_by(decoder, walkers, 30)
