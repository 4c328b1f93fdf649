"""What is said of real coded pictures, decoded by the real worker, check after check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.demo.scene import Image
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.vision.decoder import Decoder
from gateway.vision.quality import ACCEPTED_CHECKS, PictureQuality
from tests.fixtures import pictures
from tests.fixtures.pictures import patient_decoder

Sight = Callable[[int], Image]


class Watching:
    """Shows one camera's pictures to the worker and judges."""

    def __init__(self, decoder: Decoder, codec: Codec) -> None:
        self.decoder = decoder
        self._codec = codec
        self.quality = PictureQuality()
        self._shown = 0

    async def show(self, sight: Sight, times: int) -> list[frozenset[Reason]]:
        """Return what is said after each of so many checks."""
        said = []
        for _ in range(times):
            self._shown += 1
            coded = pictures.encode_keyframe(sight(self._shown), self._codec)
            self.quality.update(
                await self.decoder.analyze("c01", self._codec, coded, self.quality.reference)
            )
            said.append(self.quality.suspected_faults)
        return said


@asynccontextmanager
async def watching(codec: Codec = "h264") -> AsyncIterator[Watching]:
    decoder = patient_decoder()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(decoder.run(), name="decoder")
        yield Watching(decoder, codec)
        running.cancel()


NOTHING: frozenset[Reason] = frozenset()


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize(
    ("sight", "reason"),
    [
        (pictures.black, Reason.PICTURE_BLACK),
        (pictures.blurred, Reason.PICTURE_BLURRED),
        (pictures.covered, Reason.PICTURE_COVERED),
        (pictures.partly_covered, Reason.PICTURE_COVERED),
        (pictures.moved, Reason.PICTURE_MOVED),
        (pictures.elsewhere, Reason.PICTURE_MOVED),
    ],
)
async def test_a_bad_picture_is_said_after_three_checks(
    sight: Sight, reason: Reason, codec: Codec
) -> None:
    """That one thing and no other; unsaid after two good checks."""
    async with watching(codec) as camera:
        await camera.show(pictures.hall, 12)

        assert await camera.show(sight, 4) == [NOTHING, NOTHING, {reason}, {reason}]
        assert await camera.show(pictures.hall, 3) == [{reason}, NOTHING, NOTHING]


async def test_a_picture_that_is_the_same_in_every_pixel_is_frozen() -> None:
    """Twice the same as the one before, for a minute; it moves again: good after two."""
    async with watching() as camera:
        await camera.show(pictures.hall, 2)
        frozen = frozenset({Reason.PICTURE_FROZEN})

        assert await camera.show(pictures.frozen, 4) == [NOTHING, NOTHING, frozen, frozen]
        assert await camera.show(pictures.hall, 2) == [frozen, NOTHING]


async def test_people_noise_and_the_clock_are_nothing() -> None:
    """A day in the hall: nobody is disturbed."""
    async with watching() as camera:
        assert set(await camera.show(pictures.hall, 60)) == {NOTHING}


async def test_less_light_is_nothing() -> None:
    """Half the lamps are switched off, and on again."""
    async with watching() as camera:
        await camera.show(pictures.hall, 5)

        assert set(await camera.show(pictures.dim, 5)) == {NOTHING}
        assert set(await camera.show(pictures.hall, 5)) == {NOTHING}


async def test_night_and_day_are_nothing() -> None:
    """The switch to infrared light and back begins a new reference."""
    async with watching() as camera:
        await camera.show(pictures.hall, 12)

        assert set(await camera.show(pictures.night, 6)) == {NOTHING}
        assert set(await camera.show(pictures.hall, 12)) == {NOTHING}


async def test_a_camera_is_covered_at_night() -> None:
    """A cover is grey, as infrared pictures are; it is not taken for the night."""
    async with watching() as camera:
        await camera.show(pictures.night, 4)

        assert (await camera.show(pictures.covered, 3))[-1] == {Reason.PICTURE_COVERED}


async def test_one_bad_check_is_nothing() -> None:
    """Somebody stands before the camera, and goes on."""
    async with watching() as camera:
        await camera.show(pictures.hall, 5)
        for _ in range(3):
            assert set(await camera.show(pictures.covered, 2)) == {NOTHING}
            assert set(await camera.show(pictures.hall, 1)) == {NOTHING}


async def test_a_bad_picture_never_becomes_the_reference() -> None:
    """What is covered or black stays so, however long."""
    async with watching() as camera:
        await camera.show(pictures.hall, 5)

        assert set((await camera.show(pictures.covered, 40))[3:]) == {
            frozenset({Reason.PICTURE_COVERED})
        }


async def test_a_new_view_becomes_the_view_in_time() -> None:
    """Somebody meant it: after a day it is not said any more."""
    async with watching() as camera:
        await camera.show(pictures.hall, 5)
        analysis = await camera.decoder.analyze(
            "c01", "h264", pictures.encode_keyframe(pictures.moved(9)), camera.quality.reference
        )
        for number in range(ACCEPTED_CHECKS - 1):
            metrics = replace(analysis.metrics, digest=number.to_bytes(16))
            camera.quality.update(replace(analysis, metrics=metrics))
        assert camera.quality.suspected_faults == {Reason.PICTURE_MOVED}

        assert (await camera.show(pictures.moved, 2))[-1] == NOTHING
