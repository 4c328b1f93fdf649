"""Changing what a viewer is sent, at keyframes and in band; the streams are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.model.media import AccessUnit, Codec, SourceCounters, VideoFormat
from gateway.model.quality import ViewLevel
from gateway.ports import Sink
from gateway.streams.gop_cache import GopCache
from gateway.streams.stream import Stream
from gateway.webrtc import level_switch
from gateway.webrtc.level_switch import HELD_S, OPENING_S, PATIENCE_S, LevelSwitch
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S, FakeClock

MAIN, SUB, KEYFRAMES = ViewLevel.MAIN, ViewLevel.SUB, ViewLevel.KEYFRAMES


class OpenSource:
    """Open until it is cancelled; the test delivers. Its camera can be asked for keyframes."""

    def __init__(self, codec: Codec) -> None:
        self.counters = SourceCounters()
        self.wants = 0
        self._codec = codec

    def want_keyframe(self, newest_s: Callable[[], float | None]) -> None:  # noqa: ARG002
        self.wants += 1

    async def run(self, sink: Sink) -> None:
        sink.on_opened(VideoFormat(self._codec))
        await asyncio.Event().wait()

    async def check(self) -> None:
        return None


@dataclass
class Sender:
    """Takes everything unless it is busy."""

    sent: list[AccessUnit] = field(default_factory=list)
    begun: list[AccessUnit] = field(default_factory=list)
    codecs: list[str | None] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    busy: bool = False
    last_90k: int | None = None

    def send_unit(self, unit: AccessUnit) -> bool:
        if not self.busy:
            self.sent.append(unit)
            self.last_90k = unit.time_90k
        return not self.busy

    def begin_stream(self, unit: AccessUnit, codec: str | None = None) -> None:
        self.codecs.append(codec)
        self.begun.append(unit)

    def abandon(self) -> None:
        self.abandoned.append(len(self.sent))

    def destination(self) -> None:
        return None

    def on_relayed(self, *_: Any) -> None:
        return None

    def on_superseded(self) -> None:
        return None

    def on_reclaimed(self) -> None:
        return None


class Scene:
    """A camera with two streams, and one viewer."""

    lesser = SUB

    def __init__(self, sub_codec: Codec = "h264") -> None:
        self.clock = FakeClock()
        self.sources: list[OpenSource] = []
        self.main, self.sub = self._stream("h264"), self._stream(sub_codec)
        self.slate, self.other_slate = self._stream("h264"), self._stream("h264")
        self.returned = 0
        self.sender = Sender()
        self.levels: list[ViewLevel] = []
        self.refusal = ""
        self.bugs: list[Exception] = []
        self.switch = LevelSwitch(
            self.sender,
            {MAIN: self.main, self.lesser: self.sub},
            fitting=lambda stream: stream.video is None or stream.video.codec == "h264",
            refused=lambda _stream: self.refusal,
            on_changed=self.levels.append,
            on_returned=self._on_returned,
            on_bug=self.bugs.append,
            now=self.clock.now,
        )

    def _stream(self, codec: Codec) -> Stream:
        gop = GopCache(limit_bytes=1_000_000, limit_s=60)
        self.sources.append(OpenSource(codec))
        return Stream(self.sources[-1], warm=False, linger_s=0.0, gop=gop, clock=self.clock)

    def _on_returned(self) -> None:
        self.returned += 1

    def unit(self, number: int, *, keyframe: bool = False) -> AccessUnit:
        return access_unit(number, keyframe=keyframe, arrived_s=self.clock.now() + number / 25)

    @property
    def wants(self) -> list[int]:
        """How often a keyframe of main and sub-stream was wanted of the camera."""
        return [each.wants for each in self.sources[:2]]

    async def sent(self, unit: AccessUnit) -> None:
        """Return when *unit* has been sent."""
        async with asyncio.timeout(HANG_S):
            while unit not in self.sender.sent:  # noqa: ASYNC110 (the switch polls as well)
                await asyncio.sleep(level_switch.POLL_S / 10)


@asynccontextmanager
async def watching(sub_codec: Codec = "h264") -> AsyncIterator[Scene]:
    """A viewer who is sent the main stream, of which a keyframe and two pictures have come."""
    scene = Scene(sub_codec)
    async with asyncio.TaskGroup() as group:
        pulls = [group.create_task(each.pull()) for each in (scene.main, scene.sub)]
        await asyncio.sleep(0)
        scene.switch.start()
        for number in range(3):
            scene.main.deliver(scene.unit(number, keyframe=number == 0))
        scene.sender.sent.clear()
        scene.clock.time_s += 1.0
        yield scene
        scene.switch.close()
        assert not scene.bugs
        assert scene.main.readers == scene.sub.readers == 0
        assert scene.slate.readers == scene.other_slate.readers == 0
        for pull in pulls:
            pull.cancel()


async def test_the_stream_that_is_wanted_begins_at_its_keyframe() -> None:
    """Until then the other goes on; from then on it is not read any more."""
    async with watching() as scene:
        scene.switch.want(SUB)
        old = scene.unit(3)
        scene.main.deliver(old)
        scene.sub.deliver(scene.unit(4))
        keyframe, after = scene.unit(5, keyframe=True), scene.unit(6)

        scene.sub.deliver(keyframe)
        scene.main.deliver(scene.unit(7))
        scene.sub.deliver(after)

        assert scene.sender.sent == [old, keyframe, after]
        assert scene.sender.begun == [keyframe]
        assert scene.levels == [SUB]
        assert scene.switch.level is SUB
        assert (scene.main.readers, scene.sub.readers) == (0, 1)


async def test_the_cached_gop_of_the_stream_that_is_wanted_is_not_sent() -> None:
    """The line is full; its keyframe comes by itself."""
    async with watching() as scene:
        scene.sub.deliver(scene.unit(0, keyframe=True))

        scene.switch.want(SUB)

        assert not scene.sender.sent


async def test_where_nothing_gets_through_only_keyframes_are_sent_meanwhile() -> None:
    """What is sent of the main stream would be lost, and the sub-stream's keyframe with it."""
    async with watching() as scene:
        newest = scene.main.gop.keyframe
        assert newest is not None

        scene.switch.want(SUB, urgent=True)
        scene.main.deliver(scene.unit(3))

        await scene.sent(newest)
        assert scene.switch.level is KEYFRAMES
        scene.sub.deliver(keyframe := scene.unit(4, keyframe=True))
        assert scene.sender.sent == [newest, keyframe]
        assert scene.levels == [KEYFRAMES, SUB]


async def test_keyframes_only_are_those_of_the_cheapest_stream() -> None:
    """Of the other as long as the cheapest is not open; each is sent once."""
    async with watching() as scene:
        first = scene.main.gop.keyframe
        assert first is not None
        scene.switch.want(KEYFRAMES)
        await scene.sent(first)
        scene.sub.deliver(keyframe := scene.unit(5, keyframe=True))
        scene.sub.deliver(scene.unit(6))
        scene.main.deliver(scene.unit(7, keyframe=True))
        await scene.sent(keyframe)
        scene.sub.deliver(last := scene.unit(8, keyframe=True))
        await scene.sent(last)

        assert scene.sender.sent == [first, keyframe, last]


async def test_a_keyframe_waits_for_the_line_and_only_the_newest_is_sent() -> None:
    """One that takes longer than a GOP is not followed by all that came meanwhile."""
    async with watching() as scene:
        scene.sender.busy = True
        scene.switch.want(KEYFRAMES)
        scene.main.deliver(scene.unit(5, keyframe=True))
        scene.main.deliver(newest := scene.unit(6, keyframe=True))
        scene.sender.busy = False

        scene.switch.resume()

        assert scene.sender.sent == [newest]


async def test_who_gets_keyframes_only_does_not_take_the_camera_from_the_fast_path() -> None:
    """All others of that stream are sent to as before: this one is no reader of it."""
    async with watching() as scene:
        scene.switch.want(KEYFRAMES)

        assert scene.main.destinations(0) == ()
        assert scene.main.readers == 1


async def test_a_stream_that_does_not_come_is_not_to_be_had() -> None:
    """A recorder that gives out one session only."""
    async with watching() as scene:
        scene.switch.want(SUB, urgent=True)
        scene.clock.time_s += PATIENCE_S + 1
        scene.switch.on_tick()

        assert [level for level, _ in scene.switch.available()] == [MAIN]
        scene.switch.want(KEYFRAMES)
        assert scene.sub.readers == 0


async def test_a_stream_of_another_codec_is_not_to_be_had() -> None:
    """The payload type that was agreed on is of one codec (RFC 3264)."""
    async with watching("h265") as scene:
        assert [level for level, _ in scene.switch.available()] == [MAIN]


async def test_the_stream_before_stays_open_for_the_way_back() -> None:
    """A trial that fails ends at the next keyframe, without opening the sub-stream again."""
    async with watching() as scene:
        scene.switch.want(SUB)
        scene.sub.deliver(scene.unit(5, keyframe=True))
        scene.switch.want(MAIN)
        scene.main.deliver(scene.unit(6, keyframe=True))
        assert scene.sub.readers == 1

        scene.clock.time_s += HELD_S + 1
        scene.switch.on_tick()

        assert scene.sub.readers == 0


async def test_a_request_for_a_keyframe_is_answered_with_that_alone() -> None:
    """The GOP again would fill the line again; what follows the keyframe is left out."""
    async with watching() as scene:
        keyframe = scene.main.gop.keyframe
        assert keyframe is not None

        scene.switch.request_keyframe(gop=False)
        scene.main.deliver(scene.unit(3))
        scene.main.deliver(following := scene.unit(4, keyframe=True))

        assert [unit.payloads for unit in scene.sender.sent] == [
            keyframe.payloads,
            following.payloads,
        ]


async def test_a_request_is_not_answered_while_the_line_is_busy() -> None:
    """What is on its way is what was asked for."""
    async with watching() as scene:
        scene.sender.busy = True
        scene.switch.request_keyframe(gop=False)
        scene.sender.busy = False

        scene.main.deliver(live := scene.unit(3))

        assert scene.sender.sent == [live]


async def test_a_request_on_a_good_line_is_answered_with_the_gop() -> None:
    """So that the picture goes on at once."""
    async with watching() as scene:
        scene.switch.request_keyframe(gop=True)

        assert len(scene.sender.sent) == 3


async def test_a_change_that_is_called_off_leaves_things_as_they_are() -> None:
    """The line has become worse while a better stream was waited for."""
    async with watching() as scene:
        scene.switch.want(SUB)
        scene.switch.want(MAIN)
        scene.sub.deliver(scene.unit(5, keyframe=True))
        scene.main.deliver(live := scene.unit(6))

        assert scene.sender.sent == [live]
        assert scene.sub.readers == 0


@pytest.mark.parametrize("lesser", [ViewLevel.TRANSCODED, ViewLevel.REDUCED])
@pytest.mark.parametrize("refusal", ["", "all cores are taken"])
async def test_a_transcode_is_opened_for_its_keyframes_if_this_machine_can_carry_it(
    monkeypatch: pytest.MonkeyPatch, refusal: str, lesser: ViewLevel
) -> None:
    """They are smaller than the camera's; else these are sent."""
    monkeypatch.setattr(Scene, "lesser", lesser)
    async with watching() as scene:
        scene.refusal = refusal

        scene.switch.want(KEYFRAMES)

        assert scene.sub.readers == (0 if refusal else 1)


async def test_a_transcode_that_is_refused_is_not_to_be_had() -> None:
    """And nothing has been opened."""
    async with watching() as scene:
        scene.refusal = "all cores are taken"

        scene.switch.want(SUB)

        assert scene.sub.readers == 0
        assert [level for level, _ in scene.switch.available()] == [MAIN]


async def test_a_keyframe_too_large_for_the_line_waits_for_a_smaller_one() -> None:
    """The sub-stream's is there before the main stream's would be through."""
    async with watching() as scene:
        large = scene.main.gop.keyframe
        assert large is not None

        scene.switch.want(KEYFRAMES, carried_bps=large.size_bytes)
        scene.sub.deliver(small := scene.unit(5, keyframe=True))
        await scene.sent(small)

        assert scene.sender.sent == [small]


async def test_it_does_not_wait_for_ever() -> None:
    """Who knows whether the recorder gives the sub-stream out."""
    async with watching() as scene:
        large = scene.main.gop.keyframe
        assert large is not None

        scene.switch.want(KEYFRAMES, carried_bps=large.size_bytes)
        scene.clock.time_s += OPENING_S

        await scene.sent(large)


async def test_the_camera_is_asked_for_the_keyframe_at_which_a_stream_begins() -> None:
    """Else the viewer waits for one of a whole GOP."""
    async with watching() as scene:
        scene.switch.want(SUB)

        assert scene.wants == [0, 1]


@pytest.mark.parametrize(
    ("gop", "age_s", "wants"), [(True, 1.0, 0), (True, 5.0, 1), (False, 1.0, 1)]
)
async def test_the_camera_is_asked_besides_what_a_viewer_is_sent_at_once(
    gop: bool, age_s: float, wants: int
) -> None:
    """Where only the keyframe is sent, and where the GOP is long; what is cached is sent anyway."""
    async with watching() as scene:
        scene.clock.time_s += age_s
        scene.switch.request_keyframe(gop=gop)

        assert scene.wants == [wants, 0]
        assert len(scene.sender.sent) == (3 if gop else 1)


async def test_the_camera_is_asked_where_only_keyframes_are_sent() -> None:
    """Its own come too seldom for a picture every two seconds; of the cheapest stream only."""
    async with watching() as scene:
        scene.switch.want(KEYFRAMES)
        scene.sub.deliver(keyframe := scene.unit(5, keyframe=True))
        await scene.sent(keyframe)
        before = scene.wants
        scene.clock.time_s += 3.0
        scene.switch.resume()

        assert scene.wants == [before[0], before[1] + 1]


async def test_a_slate_is_sent_until_the_next_keyframe_of_the_camera() -> None:
    """What comes between two keyframes continues what the viewer no longer has."""
    async with watching() as scene:
        scene.slate.deliver(first := scene.unit(0, keyframe=True))
        scene.switch.show(scene.slate)
        scene.slate.deliver(second := scene.unit(25))
        scene.main.deliver(scene.unit(26))
        assert scene.switch.slate is scene.slate
        assert not scene.returned

        scene.main.deliver(back := scene.unit(27, keyframe=True))
        scene.main.deliver(after := scene.unit(28))
        scene.slate.deliver(scene.unit(50))

        assert [unit.payloads for unit in scene.sender.sent] == [
            unit.payloads for unit in (first, second, back, after)
        ]
        assert [unit.payloads for unit in scene.sender.begun] == [first.payloads, back.payloads]
        assert (scene.returned, scene.slate.readers) == (1, 0)
        assert not scene.levels
        assert scene.switch.level is MAIN


async def test_another_slate_takes_the_place_of_the_first() -> None:
    """The reason has changed; the camera is still waited for."""
    async with watching() as scene:
        scene.switch.show(scene.slate)
        scene.switch.show(scene.other_slate)
        scene.slate.deliver(scene.unit(0, keyframe=True))
        scene.other_slate.deliver(shown := scene.unit(1, keyframe=True))
        scene.switch.show(scene.other_slate)
        scene.main.deliver(back := scene.unit(30, keyframe=True))

        assert scene.sender.sent == [shown, back]
        assert scene.returned == 1


async def test_a_camera_that_is_back_before_the_slate_has_a_picture() -> None:
    """The viewer never sees it."""
    async with watching() as scene:
        scene.switch.show(scene.slate)
        scene.main.deliver(back := scene.unit(30, keyframe=True))
        scene.slate.deliver(scene.unit(0, keyframe=True))

        assert scene.sender.sent == [back]
        assert not scene.sender.begun


async def test_a_slate_gives_way_to_the_stream_that_is_waited_for_as_well() -> None:
    """Whichever has a keyframe first."""
    async with watching() as scene:
        scene.switch.want(SUB)
        scene.switch.show(scene.slate)
        scene.sub.deliver(back := scene.unit(30, keyframe=True))

        assert scene.sender.sent == [back]
        assert scene.switch.level is SUB
        assert scene.switch.slate is None


async def test_a_slate_is_sent_where_only_keyframes_are_and_ends_with_one() -> None:
    """On a narrow line as on any other."""
    async with watching() as scene:
        scene.switch.want(KEYFRAMES)
        await scene.sent(scene.sender.sent[0] if scene.sender.sent else scene.main.gop.units[0])
        scene.sender.sent.clear()
        scene.switch.show(scene.slate)
        scene.slate.deliver(shown := scene.unit(40, keyframe=True))
        scene.main.deliver(back := scene.unit(60, keyframe=True))
        await scene.sent(back)

        assert scene.sender.sent == [shown, back]
        assert (scene.switch.slate, scene.returned) == (None, 1)


async def test_a_camera_that_comes_back_with_another_codec_stays_away() -> None:
    """The viewer could not show it."""
    async with watching() as scene:
        scene.switch.show(scene.slate)
        scene.main.on_opened(VideoFormat("h265"))
        scene.main.deliver(scene.unit(30, keyframe=True))
        scene.slate.deliver(shown := scene.unit(31, keyframe=True))

        assert scene.sender.sent == [shown]


async def test_a_request_on_a_slate_is_answered_with_the_slate() -> None:
    """Also before it has a picture: then there is nothing to answer with."""
    async with watching() as scene:
        scene.switch.show(scene.slate)
        scene.switch.request_keyframe(gop=True)
        assert not scene.sender.sent
        scene.slate.deliver(shown := scene.unit(0, keyframe=True))

        scene.switch.request_keyframe(gop=False)

        assert [unit.payloads for unit in scene.sender.sent] == [shown.payloads] * 2


async def test_the_fast_path_sends_nothing_in_place_of_a_slate() -> None:
    """It would send the camera's pictures between those of the slate."""
    async with watching() as scene:
        scene.switch.show(scene.slate)

        assert scene.main.destinations(0) is None


async def test_what_is_left_of_the_stream_before_is_abandoned() -> None:
    """When it goes silent, and again before the first picture of the next."""
    async with watching() as scene:
        scene.main.deliver(scene.unit(3))
        scene.switch.want(SUB, urgent=True)
        scene.sub.deliver(first := scene.unit(5, keyframe=True))

        assert scene.sender.sent[-1] is first
        assert scene.sender.abandoned == [1, len(scene.sender.sent) - 1]


async def test_the_sender_is_told_the_codec_of_each_stream() -> None:
    """A viewer may take both."""
    async with watching() as scene:
        scene.switch.want(SUB)
        scene.sub.deliver(scene.unit(5, keyframe=True))

        assert scene.sender.codecs == ["h264"]
