"""When a viewer is shown a slate; the streams and the switch are real, the clock is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.model.reasons import Reason
from gateway.streams.slate import Slate
from gateway.webrtc import level_switch
from gateway.webrtc.camera_absence import AWAY_S, RARE_PICTURES, CameraAbsence, SlateOffer
from tests.unit.webrtc.test_level_switch import Scene


class Watched(Scene):
    """A viewer of a camera that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = Reason.STALLED
        self.troubled = self.there_is_none = False
        self.sent_s: float | None = None
        self.shown = 0
        self.absence = CameraAbsence(
            self.switch,
            SlateOffer(self._find, lambda: self.troubled),
            sent_s=lambda: self.sent_s,
            on_shown=self._on_shown,
            now=self.clock.now,
        )

    def _find(self, _stream: object) -> Slate | None:
        if self.there_is_none:
            return None
        stream = self.slate if self.reason is Reason.STALLED else self.other_slate
        return Slate(self.reason, stream)

    def _on_shown(self) -> None:
        self.shown += 1

    def picture(self, *, keyframe: bool = False) -> None:
        """Deliver a picture of now."""
        unit = self.unit(0, keyframe=keyframe)
        self.sent_s = self.clock.now()
        self.main.deliver(unit)

    def said(self) -> Reason | None:
        """What the slate says; None: there is none."""
        return self.absence.reason

    def passes(self, seconds: float) -> None:
        self.clock.time_s += seconds
        self.absence.on_tick()


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    scene = Watched()
    async with asyncio.TaskGroup() as group:
        pulls = [group.create_task(each.pull()) for each in (scene.main, scene.sub)]
        await asyncio.sleep(0)
        scene.switch.start()
        yield scene
        scene.switch.close()
        for pull in pulls:
            pull.cancel()


async def test_a_camera_that_falls_silent_is_away_after_a_while() -> None:
    """The viewer is told why."""
    async with watched() as scene:
        scene.picture(keyframe=True)
        scene.passes(AWAY_S - 0.1)
        assert scene.said() is None

        scene.passes(0.1)

        assert scene.said() is Reason.STALLED
        assert (scene.switch.slate, scene.shown) == (scene.slate, 1)


async def test_a_reason_that_changes_is_followed() -> None:
    """One slate after the other."""
    async with watched() as scene:
        scene.picture(keyframe=True)
        scene.passes(AWAY_S)
        scene.passes(1.0)
        scene.reason = Reason.AUTH_FAILED
        scene.passes(1.0)

        assert scene.said() is Reason.AUTH_FAILED
        assert scene.switch.slate is scene.other_slate
        assert scene.shown == 2


async def test_a_camera_that_dies_behind_a_keyframe_is_away_as_soon() -> None:
    """However far its keyframes are apart."""
    async with watched() as scene:
        scene.main.counters.units, scene.main.counters.keyframes = 101, 2
        scene.picture(keyframe=True)
        scene.clock.time_s += 4.0
        scene.picture(keyframe=True)
        scene.passes(AWAY_S)

        assert scene.said() is Reason.STALLED


async def test_it_ends_with_the_camera_and_may_begin_again() -> None:
    """As often as the camera goes."""
    async with watched() as scene:
        scene.picture(keyframe=True)
        scene.passes(AWAY_S)
        scene.picture(keyframe=True)
        assert scene.said() is None
        scene.passes(1.0)
        assert scene.said() is None

        scene.passes(AWAY_S)

        assert scene.said() is Reason.STALLED
        assert scene.returned == 1


async def test_a_slow_viewer_of_a_camera_that_is_there_sees_no_slate() -> None:
    """Its line is the matter, not the camera."""
    async with watched() as scene:
        scene.picture(keyframe=True)
        for _ in range(8):
            scene.clock.time_s += 1.0
            scene.main.deliver(scene.unit(0))
            scene.absence.on_tick()

        assert scene.sent_s is not None
        assert scene.clock.now() - scene.sent_s > 2 * AWAY_S
        assert scene.said() is None


async def test_a_camera_of_rare_pictures_is_not_away_between_them() -> None:
    """One every five seconds, of a camera that gives single pictures."""
    async with watched() as scene:
        for _ in range(3):
            scene.clock.time_s += 5.0
            scene.main.counters.units += 1
            scene.main.counters.keyframes += 1
            scene.picture(keyframe=True)
        scene.passes(5.0 * RARE_PICTURES - 0.1)
        assert scene.said() is None

        scene.passes(0.1)

        assert scene.said() is Reason.STALLED


async def test_a_camera_that_sends_no_keyframe_is_away() -> None:
    """It has been opened, and pictures come that nobody can show."""
    async with watched() as scene:
        scene.main.deliver(scene.unit(0))
        scene.passes(AWAY_S)

        assert scene.said() is Reason.STALLED


@pytest.mark.parametrize("troubled", [True, False])
async def test_who_comes_while_it_is_away_is_told_at_once(troubled: bool) -> None:
    """If that is known; a camera that is being opened has its time."""
    async with watched() as scene:
        scene.troubled = troubled
        scene.passes(1.0)
        assert (scene.said() is not None) is troubled

        scene.passes(AWAY_S)

        assert scene.said() is Reason.STALLED


async def test_a_camera_that_is_back_is_asked_for_a_keyframe() -> None:
    """Else its viewer would wait for one of a whole GOP; the camera is asked when it can be."""
    async with watched() as scene:
        scene.main.deliver(scene.unit(0))
        scene.passes(level_switch.PATIENCE_S)

        assert scene.wants == [1, 0]


async def test_where_there_is_no_slate_the_picture_stands_still() -> None:
    """As ever."""
    async with watched() as scene:
        scene.there_is_none = True
        scene.picture(keyframe=True)
        scene.passes(AWAY_S)

        assert scene.said() is None
        assert not scene.shown
