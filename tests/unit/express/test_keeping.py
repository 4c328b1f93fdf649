"""What the lane keeps of the pictures it has sent, for how long, and who is told."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator

import pytest

from gateway.ingest.lane import KEEP_S
from gateway.relay.history import HISTORY_S
from tests.fixtures.ways import Scene, Talker, Way, stamps


def opened(*, ride: bool = False, keep_s: float = KEEP_S) -> Scene:
    """Return a scene whose first keyframe came the ordinary way."""
    made = Scene(Way(express=True, ride=ride, watchers=1, keep_s=keep_s), Talker("h264", 3))
    made.talker.seq = 65_530
    made.talker.keyframe()
    made.send()
    return made


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Yield a scene that keeps for two seconds what may be asked for again."""
    made = opened()
    yield made
    made.way.close()


@pytest.fixture
async def brief() -> AsyncIterator[Scene]:
    """Yield a scene in which nothing is asked for again that was sent before this read."""
    made = opened(keep_s=0.0)
    yield made
    made.way.close()


def keyframe(scene: Scene) -> None:
    """Let the camera send one."""
    scene.talker.keyframe()
    scene.send()


def kept(scene: Scene) -> int:
    """Return how many pictures wait to be collected."""
    assert scene.way.lane is not None
    return scene.way.lane._feed.kept


async def test_what_is_before_the_gop_and_old_is_forgotten(brief: Scene) -> None:
    """Nobody is woken for it, and it takes no memory."""
    brief.pictures(3)
    keyframe(brief)
    brief.pictures(2)

    assert kept(brief) == 3


async def test_what_may_be_asked_for_again_is_kept(scene: Scene) -> None:
    """Also when it is before the GOP."""
    scene.pictures(3)
    keyframe(scene)

    assert kept(scene) == 4


async def test_pictures_since_the_keyframe_are_kept_however_old(brief: Scene) -> None:
    """Whoever joins needs them."""
    keyframe(brief)
    brief.pictures(20)

    assert kept(brief) == 21


async def test_what_is_forgotten_is_counted(brief: Scene) -> None:
    """Pictures, packets and keyframes of the camera, wherever they have gone."""
    brief.pictures(3)
    keyframe(brief)
    keyframe(brief)

    counters = brief.way.stream.counters

    assert (counters.units, counters.keyframes) == (6, 3)
    assert counters.packets == (brief.talker.seq - 65_530)


async def test_numbers_go_on_behind_what_is_forgotten(brief: Scene) -> None:
    """A viewer who asks for a packet gets that one."""
    brief.pictures(3)
    keyframe(brief)
    brief.pictures(1)
    _, _, stamp, payload = brief.viewer.media[-1]

    brief.viewer.sender.repeat([brief.viewer.viewer.seq - 1 & 0xFFFF])
    brief.viewer.hear()

    _, _, again, repeated = brief.viewer.got[-1]
    assert (again - brief.viewer.viewer.offset_90k) & 0xFFFF_FFFF == stamp
    assert repeated[2:] == payload


async def test_once_the_lane_has_a_gop_the_older_one_is_let_go(brief: Scene) -> None:
    """Else every stream would be kept twice."""
    brief.pictures(1)
    keyframe(brief)
    brief.pictures(1)

    assert brief.way.stream._gop.size_bytes == 0
    assert not brief.viewer.sender._history._sent


async def test_a_gop_that_may_still_be_asked_for_is_not_let_go(scene: Scene) -> None:
    """Its packets were sent a moment ago."""
    scene.pictures(1)
    keyframe(scene)
    scene.pictures(1)

    assert scene.way.stream._gop.size_bytes > 0
    assert scene.viewer.sender._history._sent


async def test_a_gop_as_short_as_what_is_kept_outlives_the_older_one() -> None:
    """What the lane keeps is never older than that, and still it is told when Python's is."""
    scene = opened(keep_s=0.05)
    async with asyncio.timeout(5):
        while scene.way.stream._gop.size_bytes > 0:
            keyframe(scene)
            await asyncio.sleep(0.001)

    assert not scene.viewer.sender._history._sent
    scene.way.close()


async def test_who_joins_later_is_sent_the_gop_of_the_lane(brief: Scene) -> None:
    """From the newest keyframe on, whatever was forgotten before it."""
    brief.pictures(5)
    keyframe(brief)
    brief.pictures(2)

    newcomer = brief.way.join()
    newcomer.hear()

    assert len(stamps(newcomer)) == 3


async def test_the_thread_tells_once_that_the_older_gop_is_outlived() -> None:
    """The loop sleeps on until something else comes."""
    scene = opened(ride=True, keep_s=0.0)
    assert scene.way.lane is not None
    scene.pictures(1)
    keyframe(scene)
    scene.pictures(1)
    for _ in range(3):
        scene.talker.p()
        scene.way._far.send(bytes(scene.talker.sent))
        scene.talker.sent.clear()
    while len(stamps(scene.viewer)) < 7:
        scene.viewer.hear()

    assert scene.way.stream._gop.size_bytes == 0
    assert not scene.way.wanted
    scene.way.close()


async def test_a_camera_without_keyframes_is_collected_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the lane may keep is bounded."""
    monkeypatch.setattr("gateway.ingest.lane.MOST_KEPT", 4)
    scene = opened()
    scene.pictures(9)

    assert kept(scene) == 1
    assert scene.way.stream.express_units == 8
    scene.way.close()


async def test_the_length_of_a_gop_is_known_without_collecting_it(brief: Scene) -> None:
    """So that a look at the cameras costs nothing."""
    keyframe(brief)
    brief.pictures(2)
    keyframe(brief)
    before = kept(brief)

    stream = brief.way.stream
    assert stream.lane is not None
    assert stream.gop_s is not None
    assert stream.gop_s > 0
    assert stream.keyframe_s == stream.lane.keyframe_s > 0
    assert kept(brief) == before


async def test_the_length_of_a_gop_outlives_the_lane(brief: Scene) -> None:
    """And is not the time since Python saw a keyframe last."""
    for _ in range(3):
        brief.pictures(2)
        keyframe(brief)
    stream = brief.way.stream
    gop_s, keyframe_s = stream.gop_s, stream.keyframe_s
    lane = stream.lane
    assert lane is not None

    lane.recall()

    assert stream.lane is None
    assert (stream.gop_s, stream.keyframe_s) == (gop_s, keyframe_s)


async def test_a_keyframe_that_went_the_ordinary_way_is_the_last_one(brief: Scene) -> None:
    """The lane measures from there, not from the last one of its own."""
    keyframe(brief)
    assert brief.way.lane is not None
    before_s = brief.way.lane.keyframe_s
    brief.talker.do("message")  # takes the keyframe behind it along
    keyframe(brief)

    assert brief.way.stream.lane is not None
    assert before_s > 0
    assert brief.way.lane.keyframe_s == brief.way.stream._gop.keyframe_s == 0.0


def test_the_lane_keeps_what_a_history_would() -> None:
    """No viewer asks in vain because its packet was the lane's."""
    assert KEEP_S >= HISTORY_S


async def test_reports_of_the_camera_do_not_stop_the_lane(scene: Scene) -> None:
    """They come every few seconds from every camera."""
    scene.pictures(1)
    scene.talker.do("rtcp")
    scene.talker.p()
    scene.send()

    assert scene.way.stream.lane is not None
    assert scene.way.reception._lsr > 0
    assert scene.relayed == 2


async def test_a_report_that_nothing_follows_waits(scene: Scene) -> None:
    """Only what follows proves its length, here as in the ordinary path."""
    scene.talker.do("rtcp")
    scene.send()
    before = scene.way.reception._lsr
    scene.pictures(1)

    assert before == 0 < scene.way.reception._lsr


async def test_more_reports_than_there_is_room_for_stop_the_lane(scene: Scene) -> None:
    """And none of them is lost."""
    for _ in range(100):
        scene.talker.do("rtcp")
    scene.talker.do("message")
    scene.send()

    assert scene.way.stream.lane is None
    assert scene.way.reception._lsr > 0


async def test_reports_are_answered_though_no_picture_came() -> None:
    """By the thread, which wakes the loop for them."""
    scene = opened(ride=True)
    assert scene.way.lane is not None
    scene.talker.do("rtcp")
    scene.talker.do("rtcp")
    scene.way._far.send(bytes(scene.talker.sent))

    assert select.select([scene.way.lane._told], [], [], 5)[0]
    scene.way.answer()

    assert scene.way.reception._lsr > 0
    scene.way.close()


async def test_a_picture_without_end_is_heard_all_the_same(scene: Scene) -> None:
    """The camera is not silent: what it sends is no picture."""
    scene.pictures(1)
    assert scene.way.lane is not None
    scene.way.lane.count()
    before_s = scene.way.reception.heard_s

    scene.talker.picture([scene.talker.nal(1, 3_000)])
    scene.way.give(bytes(scene.talker.sent[:1_500]))
    scene.way.lane.count()

    assert scene.way.reception.heard_s > before_s
