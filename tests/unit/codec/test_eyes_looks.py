"""What is said of pictures: real ones, decoded by the real child, judged over many looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.aio.clock import SystemClock
from gateway.codec.decoder import Decoder
from gateway.codec.judge import Judge
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from tests.fixtures.hall import Hall

WELL: frozenset[Reason] = frozenset()


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    """A decoder that runs."""
    decoder = Decoder(clock=SystemClock())
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
        self.judge = Judge()

    async def looks(self, count: int) -> list[frozenset[Reason]]:
        """Return what was said after each of *count* looks."""
        said = []
        for _ in range(count):
            look = await self.decoder.look(
                "c01", self.codec, self.hall.coded(self.codec), self.judge.reference
            )
            said.append(self.judge.take(look))
        return said


def only(reason: Reason) -> frozenset[Reason]:
    return frozenset({reason})


async def settled(decoder: Decoder, hall: Hall | None = None, codec: Codec = "h264") -> Camera:
    """A camera that has been well for a while."""
    camera = Camera(decoder, hall or Hall(), codec)
    assert set(await camera.looks(14)) == {WELL}
    return camera


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_a_busy_hall_is_never_doubted(decoder: Decoder, codec: Codec) -> None:
    """People come and go, the sensor is noisy, the light falls slowly to a third."""
    camera = await settled(decoder, Hall(people=12), codec)
    said: list[frozenset[Reason]] = []
    for step in range(14):
        camera.hall.light = 1.0 - step * 0.05
        said += await camera.looks(1)

    assert set(said) == {WELL}


async def test_a_black_picture_is_said_so_and_forgotten(decoder: Decoder) -> None:
    """After three looks; two good ones end it."""
    camera = await settled(decoder)
    camera.hall.light = 0.02
    assert await camera.looks(4) == [WELL, WELL, *[only(Reason.PICTURE_BLACK)] * 2]
    camera.hall.light = 1.0
    assert await camera.looks(2) == [only(Reason.PICTURE_BLACK), WELL]


async def test_a_frozen_picture_is_said_so(decoder: Decoder) -> None:
    """Four looks at the very same picture; a sensor is never so quiet."""
    camera = await settled(decoder)
    camera.hall.image()
    same = camera.hall.number

    said = []
    for _ in range(4):
        camera.hall.number = same
        said += await camera.looks(1)

    assert said[-1] == only(Reason.PICTURE_FROZEN)
    assert said[:2] == [WELL, WELL]


async def test_a_blurred_picture_is_said_so(decoder: Decoder) -> None:
    """Against how sharp this camera usually is."""
    camera = await settled(decoder)
    camera.hall.blur = 4.0

    assert (await camera.looks(3))[-1] == only(Reason.PICTURE_BLURRED)


async def test_a_covered_camera_is_said_so(decoder: Decoder) -> None:
    """Something plain before the lens; the light is on."""
    camera = await settled(decoder)
    camera.hall.covered = True

    assert (await camera.looks(3))[-1] == only(Reason.PICTURE_COVERED)


@pytest.mark.parametrize("turned", [60, -120, 300])
async def test_a_turned_camera_is_said_so_until_it_is_back(decoder: Decoder, turned: int) -> None:
    """A tenth of the picture is enough; people in it do not hide it."""
    camera = await settled(decoder)
    camera.hall.turned = turned
    assert (await camera.looks(12))[-1] == only(Reason.PICTURE_MOVED)
    camera.hall.turned = 0
    assert (await camera.looks(2))[-1] == WELL


async def test_night_is_nothing_to_worry_about(decoder: Decoder) -> None:
    """A camera that changes to infrared, and back in the morning, is learnt anew."""
    camera = await settled(decoder)
    camera.hall.infrared, camera.hall.light, camera.hall.noise = True, 0.5, 6.0
    night = await camera.looks(16)
    camera.hall.infrared, camera.hall.light, camera.hall.noise = False, 1.0, 3.0
    day = await camera.looks(16)

    assert {*night, *day} == {WELL}


async def test_a_crowd_that_hides_half_the_hall_for_a_moment_is_none(decoder: Decoder) -> None:
    """Two looks are not three."""
    camera = await settled(decoder)
    camera.hall.covered = True
    said = await camera.looks(2)
    camera.hall.covered = False
    said += await camera.looks(3)

    assert set(said) == {WELL}
