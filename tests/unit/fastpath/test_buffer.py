"""What the fast path buffers of what it has sent, for how long, and when Python is told."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator

import pytest

from gateway.sources.fastpath_handover import RETAIN_S
from gateway.webrtc.retransmit_buffer import RETRANSMIT_WINDOW_S
from tests.fixtures.camera_stream import FakeCameraStream
from tests.fixtures.clock import HANG_S
from tests.fixtures.fastpath_scenarios import Pipeline, Scene, stamps


def opened(*, polling: bool = False, retain_s: float = HANG_S) -> Scene:
    """Return a scene whose first keyframe came through Python."""
    made = Scene(
        Pipeline(fast_path=True, polling=polling, viewers=1, retain_s=retain_s),
        FakeCameraStream("h264", 3),
    )
    made.camera.seq = 65_530
    made.camera.keyframe()
    made.send()
    return made


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Yield a scene that buffers for two seconds what may be asked for again."""
    made = opened()
    yield made
    made.pipeline.close()


@pytest.fixture
async def brief() -> AsyncIterator[Scene]:
    """Yield a scene in which nothing is asked for again that was sent before this read."""
    made = opened(retain_s=0.0)
    yield made
    made.pipeline.close()


def keyframe(scene: Scene) -> None:
    """Let the camera send one."""
    scene.camera.keyframe()
    scene.send()


def buffered(scene: Scene) -> int:
    """Return how many pictures wait to be collected."""
    assert scene.pipeline.handover is not None
    return scene.pipeline.handover._forwarder.buffered


async def test_what_is_before_the_gop_and_old_is_forgotten(brief: Scene) -> None:
    """Nobody is woken for it, and it takes no memory."""
    brief.pictures(3)
    keyframe(brief)
    brief.pictures(2)

    assert buffered(brief) == 3


async def test_what_may_be_asked_for_again_is_buffered(scene: Scene) -> None:
    """Also when it is before the GOP."""
    scene.pictures(3)
    keyframe(scene)

    assert buffered(scene) == 4


async def test_pictures_since_the_keyframe_stay_however_old(brief: Scene) -> None:
    """Whoever joins needs them."""
    keyframe(brief)
    brief.pictures(20)

    assert buffered(brief) == 21


async def test_what_is_forgotten_is_counted(brief: Scene) -> None:
    """Pictures, packets and keyframes of the camera, wherever they have gone."""
    brief.pictures(3)
    keyframe(brief)
    keyframe(brief)

    counters = brief.pipeline.stream.counters

    assert (counters.units, counters.keyframes) == (6, 3)
    assert counters.packets == (brief.camera.seq - 65_530)


async def test_numbers_go_on_behind_what_is_forgotten(brief: Scene) -> None:
    """A viewer who asks for a packet gets that one."""
    brief.pictures(3)
    keyframe(brief)
    brief.pictures(1)
    _, _, stamp, payload = brief.viewer.media[-1]

    brief.viewer.sender.retransmit([brief.viewer.destination.seq - 1 & 0xFFFF])
    brief.viewer.receive()

    _, _, again, repeated = brief.viewer.received[-1]
    assert (again - brief.viewer.destination.offset_90k) & 0xFFFF_FFFF == stamp
    assert repeated[2:] == payload


async def test_once_the_fast_path_has_a_gop_the_older_one_is_let_go(brief: Scene) -> None:
    """Else every stream would be in memory twice."""
    brief.pictures(1)
    keyframe(brief)
    brief.pictures(1)

    assert brief.pipeline.stream._gop.size_bytes == 0
    assert not brief.viewer.sender._retransmit_buffer._sent


async def test_a_gop_that_may_still_be_asked_for_is_not_let_go(scene: Scene) -> None:
    """Its packets were sent a moment ago."""
    scene.pictures(1)
    keyframe(scene)
    scene.pictures(1)

    assert scene.pipeline.stream._gop.size_bytes > 0
    assert scene.viewer.sender._retransmit_buffer._sent


async def test_a_gop_as_short_as_what_is_buffered_supersedes_the_older_one() -> None:
    """What the fast path buffers is never older than that, and still Python's is superseded."""
    scene = opened(retain_s=0.05)
    async with asyncio.timeout(HANG_S):
        while scene.pipeline.stream._gop.size_bytes > 0:
            keyframe(scene)
            await asyncio.sleep(0.001)

    assert not scene.viewer.sender._retransmit_buffer._sent
    scene.pipeline.close()


async def test_who_joins_later_is_sent_the_gop_of_the_fast_path(brief: Scene) -> None:
    """From the newest keyframe on, whatever was forgotten before it."""
    brief.pictures(5)
    keyframe(brief)
    brief.pictures(2)

    newcomer = brief.pipeline.join()
    newcomer.receive()

    assert len(stamps(newcomer)) == 3


async def test_the_thread_tells_once_that_the_older_gop_is_superseded() -> None:
    """The loop sleeps on until something else comes."""
    scene = opened(polling=True, retain_s=0.0)
    assert scene.pipeline.handover is not None
    scene.pictures(1)
    keyframe(scene)
    scene.pictures(1)
    for _ in range(3):
        scene.camera.p()
        scene.pipeline._far.send(bytes(scene.camera.sent))
        scene.camera.sent.clear()
    while len(stamps(scene.viewer)) < 7:
        scene.viewer.receive()

    assert scene.pipeline.stream._gop.size_bytes == 0
    assert not scene.pipeline.wakeup_pending
    scene.pipeline.close()


async def test_a_camera_without_keyframes_is_collected_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the fast path may buffer is bounded."""
    monkeypatch.setattr("gateway.sources.fastpath_handover.MAX_BUFFERED", 4)
    scene = opened()
    scene.pictures(9)

    assert buffered(scene) == 1
    assert scene.pipeline.stream.fast_path_units == 8
    scene.pipeline.close()


async def test_the_length_of_a_gop_is_known_without_collecting_it(brief: Scene) -> None:
    """So that a look at the cameras costs nothing."""
    keyframe(brief)
    brief.pictures(2)
    keyframe(brief)
    before = buffered(brief)

    stream = brief.pipeline.stream
    assert stream.fast_path is not None
    assert stream.gop_s is not None
    assert stream.gop_s > 0
    assert stream.keyframe_s == stream.fast_path.keyframe_s > 0
    assert buffered(brief) == before


async def test_the_length_of_a_gop_stays_known_behind_the_fast_path(brief: Scene) -> None:
    """And is not the time since Python saw a keyframe last."""
    for _ in range(3):
        brief.pictures(2)
        keyframe(brief)
    stream = brief.pipeline.stream
    gop_s, keyframe_s = stream.gop_s, stream.keyframe_s
    fast_path = stream.fast_path
    assert fast_path is not None

    fast_path.reclaim()

    assert stream.fast_path is None
    assert (stream.gop_s, stream.keyframe_s) == (gop_s, keyframe_s)


async def test_a_keyframe_that_went_the_ordinary_way_is_the_last_one(brief: Scene) -> None:
    """The fast path measures from there, not from the last one of its own."""
    keyframe(brief)
    assert brief.pipeline.handover is not None
    before_s = brief.pipeline.handover.keyframe_s
    brief.camera.send_event("message")  # takes the keyframe behind it along
    keyframe(brief)

    assert brief.pipeline.stream.fast_path is not None
    assert before_s > 0
    assert brief.pipeline.handover.keyframe_s == brief.pipeline.stream._gop.keyframe_s == 0.0


def test_the_fast_path_buffers_what_a_history_would() -> None:
    """No viewer asks in vain because its packet was the fast path's."""
    assert RETAIN_S >= RETRANSMIT_WINDOW_S


async def test_reports_of_the_camera_do_not_stop_the_fast_path(scene: Scene) -> None:
    """They come every few seconds from every camera."""
    scene.pictures(1)
    scene.camera.send_event("rtcp")
    scene.camera.p()
    scene.send()

    assert scene.pipeline.stream.fast_path is not None
    assert scene.pipeline.receiver_stats._lsr > 0
    assert scene.relayed == 2


async def test_a_report_that_nothing_follows_is_taken_at_once(scene: Scene) -> None:
    """Its own length says where it ends, here as in the ordinary path."""
    scene.camera.send_event("rtcp")
    scene.send()

    assert scene.pipeline.receiver_stats._lsr > 0


async def test_more_reports_than_there_is_room_for_stop_the_fast_path(scene: Scene) -> None:
    """And none of them is lost."""
    for _ in range(100):
        scene.camera.send_event("rtcp")
    scene.camera.send_event("message")
    scene.send()

    assert scene.pipeline.stream.fast_path is None
    assert scene.pipeline.receiver_stats._lsr > 0


async def test_reports_are_answered_though_no_picture_came() -> None:
    """By the thread, which wakes the loop for them."""
    scene = opened(polling=True)
    assert scene.pipeline.handover is not None
    scene.camera.send_event("rtcp")
    scene.camera.send_event("rtcp")
    scene.pipeline._far.send(bytes(scene.camera.sent))

    assert select.select([scene.pipeline.handover._wakeup_fd], [], [], HANG_S)[0]
    scene.pipeline.on_wakeup()

    assert scene.pipeline.receiver_stats._lsr > 0
    scene.pipeline.close()


async def test_a_picture_without_end_is_heard_all_the_same(scene: Scene) -> None:
    """The camera is not silent: what it sends is no picture."""
    scene.pictures(1)
    assert scene.pipeline.handover is not None
    scene.pipeline.handover.sync_counters()
    before_s = scene.pipeline.receiver_stats.last_rtp_s

    scene.camera.picture([scene.camera.nal(1, 3_000)])
    scene.pipeline.camera_sends(bytes(scene.camera.sent[:1_500]))
    scene.pipeline.handover.sync_counters()

    assert scene.pipeline.receiver_stats.last_rtp_s > before_s
