"""Pictures above the burst by the fast path: spread over the line, numbered on, in nobody's way."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator

import pytest

from gateway.fastpath import FrameRun
from gateway.model.media import AccessUnit
from gateway.webrtc.rtp_sender import AHEAD_BYTES, AT_ONCE_BYTES
from tests.fixtures.camera_stream import FakeCameraStream
from tests.fixtures.clock import HANG_S
from tests.fixtures.fastpath_scenarios import NUMBERS, FakeViewer, Pipeline, Scene, stamps

LARGE = 2 * AT_ONCE_BYTES
STEP_BYTES = 1_200
"""Of one send of what waits, here: a packet."""


def opened(*, polling: bool = False) -> Scene:
    """Return a scene in which the fast path relays."""
    made = Scene(Pipeline(fast_path=True, polling=polling, viewers=1), FakeCameraStream("h264", 3))
    made.camera.seq = 65_500
    made.camera.keyframe()
    made.send()
    made.pictures(1)
    assert made.relayed == 1
    return made


def arrived(viewer: FakeViewer) -> list[int]:
    """Return the numbers of the media packets that have come, behind the first."""
    while select.select([viewer.far], [], [], 0)[0]:
        viewer.receive()
    return [seq for _, seq, *_ in viewer.media]


async def until(viewer: FakeViewer, packets: int) -> None:
    """Return when so many packets have come to *viewer*."""
    async with asyncio.timeout(HANG_S):
        while len(arrived(viewer)) < packets:  # noqa: ASYNC110 (the thread has no event)
            await asyncio.sleep(0.001)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Yield a scene, read by hand, whose viewer is paced."""
    made = opened()
    made.viewer.hold(step_bytes=STEP_BYTES)
    yield made
    made.pipeline.close()


async def test_a_keyframe_above_the_burst_stays_on_the_fast_path() -> None:
    """At the pace that viewers have by default; it was given back, and the next pictures too."""
    pipeline = Pipeline(fast_path=True)
    pipeline.join(pace_bps=30e6)
    made = Scene(pipeline, FakeCameraStream("h264", 3))
    made.camera.keyframe()
    made.send()

    made.camera.keyframe(LARGE)
    made.send()
    made.pictures(3)

    assert made.relayed == 4
    pipeline.close()


async def test_a_large_picture_does_not_go_at_once(scene: Scene) -> None:
    """No more than may be ahead of the pace, and a batch."""
    before = len(arrived(scene.viewer))

    scene.camera.keyframe(LARGE)
    scene.send()

    sent = len(arrived(scene.viewer)) - before
    assert 0 < sent * STEP_BYTES <= AHEAD_BYTES + STEP_BYTES
    assert scene.viewer.destination.waiting == 1


async def test_what_comes_behind_it_keeps_its_place(scene: Scene) -> None:
    """Numbers have no holes, and stamps grow, when the pace lets them go."""
    scene.camera.keyframe(LARGE)
    scene.send()
    scene.pictures(3)

    scene.viewer.let_go()
    scene.pictures(1)

    numbers = arrived(scene.viewer)
    assert numbers == list(range(scene.viewer.sender.packets))
    assert stamps(scene.viewer) == [3_600 * n for n in range(7)]
    assert scene.relayed == 6


async def test_nobody_else_waits_for_a_viewer_who_is_paced(scene: Scene) -> None:
    """They are sent the picture in the call that has read it."""
    other = scene.pipeline.join()
    scene.pictures(1)

    scene.camera.keyframe(LARGE)
    scene.send()

    assert arrived(other) == list(range(other.sender.packets))
    assert len(arrived(scene.viewer)) < scene.viewer.sender.packets


async def test_python_goes_on_in_the_middle_of_a_picture(scene: Scene) -> None:
    """No packet is lost or sent twice."""
    scene.camera.keyframe(LARGE)
    scene.send()
    scene.pictures(2)
    assert scene.pipeline.handover is not None

    scene.pipeline.handover.reclaim()
    sent = len(arrived(scene.viewer))
    scene.viewer.let_go()

    assert 0 < sent < scene.viewer.sender.packets
    assert arrived(scene.viewer) == list(range(scene.viewer.sender.packets))
    assert stamps(scene.viewer) == [3_600 * n for n in range(5)]


async def test_the_fast_path_goes_on_behind_what_python_has_sent(scene: Scene) -> None:
    """Not before: its pictures would overtake the others."""
    scene.camera.keyframe(LARGE)
    scene.send()
    assert scene.pipeline.handover is not None
    scene.pipeline.handover.reclaim()

    scene.pictures(2)
    held = scene.relayed
    scene.viewer.let_go()
    scene.pictures(2)

    assert held == 2
    assert scene.relayed > held
    assert arrived(scene.viewer) == list(range(scene.viewer.sender.packets))


async def test_too_many_that_wait_are_given_back(scene: Scene) -> None:
    """A viewer may be so far behind, and no further; nothing is lost."""
    scene.camera.keyframe(LARGE)
    scene.send()
    scene.pictures(40)

    assert scene.relayed == 1 + 32
    assert scene.pipeline.stream.fast_path is None
    scene.viewer.let_go()
    assert arrived(scene.viewer) == list(range(scene.viewer.sender.packets))
    assert stamps(scene.viewer) == [3_600 * n for n in range(43)]


async def test_on_a_narrow_line_nothing_waits_here(scene: Scene) -> None:
    """What waits is sent, whatever the line is found to carry; in Python's queue it is dropped."""
    scene.viewer.hold(may_wait=False)

    scene.camera.keyframe(LARGE)
    scene.send()

    assert scene.viewer.destination.waiting == 0
    assert scene.relayed == 1


async def test_a_picture_that_is_being_sent_can_be_asked_for(scene: Scene) -> None:
    """Who misses its first packet does not wait for its last."""
    scene.camera.keyframe(LARGE)
    first = scene.viewer.destination.seq
    scene.send()
    assert scene.viewer.destination.seq > first

    scene.viewer.sender.retransmit([first & 0xFFFF])
    arrived(scene.viewer)

    assert scene.viewer.received[-1][0] & 0x7F == NUMBERS.rtx_payload_type
    assert scene.viewer.destination.waiting == 1


async def test_what_waits_goes_to_a_new_address(scene: Scene) -> None:
    """ICE may nominate another pair at any time."""
    scene.camera.keyframe(LARGE)
    scene.send()
    near, far = arrived(scene.viewer)[-1], scene.viewer.far

    scene.viewer.sender.path = scene.viewer.path
    scene.viewer.let_go()
    scene.pictures(1)

    assert scene.viewer.far is far
    assert near < scene.viewer.sender.packets
    assert arrived(scene.viewer) == list(range(scene.viewer.sender.packets))


async def test_a_viewer_may_leave_in_the_middle(scene: Scene) -> None:
    """Nothing is sent to it any more; the others go on."""
    other = scene.pipeline.join()
    scene.pictures(1)
    scene.camera.keyframe(LARGE)
    scene.send()
    sent = len(arrived(scene.viewer))

    scene.viewer.leave()
    scene.viewer.sender.close()
    scene.pictures(2)

    assert len(arrived(scene.viewer)) == sent
    assert arrived(other) == list(range(other.sender.packets))


async def test_what_python_has_dropped_is_still_sent(scene: Scene) -> None:
    """History and cache may forget a picture that waits; the viewer does not."""
    scene.camera.keyframe(LARGE)
    scene.send()
    scene.pipeline.stream.sync()
    scene.pipeline.stream.on_superseded()
    scene.pipeline.stream.units.clear()

    scene.viewer.let_go()
    scene.pictures(1)

    assert arrived(scene.viewer) == list(range(scene.viewer.sender.packets))


async def test_the_thread_sends_the_rest_by_itself() -> None:
    """Nothing more need come from the camera."""
    made = opened(polling=True)
    made.viewer.sender.set_pace(None)
    made.viewer.destination.set_pace(
        bytes_per_s=30e6,
        ahead_s=0.001,
        step_s=0.001,
        step_bytes=STEP_BYTES,
        burst_bytes=1_000,
        may_wait=True,
    )

    made.camera.keyframe(LARGE)
    made.send()
    await until(made.viewer, made.viewer.sender.packets)

    assert arrived(made.viewer) == list(range(made.viewer.sender.packets))
    assert made.viewer.destination.waiting == 0
    made.pipeline.close()


async def test_python_may_take_over_from_the_thread_at_any_time() -> None:
    """Again and again, with two viewers at different paces."""
    made = opened(polling=True)
    made.pipeline.join()
    for viewer, burst_bytes in zip(made.pipeline.viewers, (1_000, 20_000), strict=True):
        viewer.sender._ahead_s, viewer.sender._s_per_byte = 0.0005, 1 / 30e6
        viewer.destination.set_pace(
            bytes_per_s=30e6,
            ahead_s=0.0005,
            step_s=0.001,
            step_bytes=STEP_BYTES,
            burst_bytes=burst_bytes,
            may_wait=True,
        )
    for number in range(40):
        made.pictures(1, (500, 30_000, 3_000)[number % 3])
        if number % 4 == 3:
            assert made.pipeline.handover is not None
            made.pipeline.handover.reclaim()
        await asyncio.sleep(0)

    for viewer in made.pipeline.viewers:
        await until(viewer, viewer.sender.packets)
        assert arrived(viewer) == list(range(viewer.sender.packets))
    assert made.relayed > 1  # how many depends on when the thread gets a core
    made.pipeline.close()


async def test_what_waits_is_paid_for_by_one_account(scene: Scene) -> None:
    """Python sends nothing either while the fast path is ahead of the pace."""
    assert not scene.viewer.sender.busy
    scene.camera.keyframe(LARGE)
    scene.send()
    assert scene.pipeline.handover is not None
    scene.pipeline.handover.reclaim()
    scene.viewer.sender._remainder.clear()  # nothing is left but what has been paid for

    assert scene.viewer.sender.busy


def runs_of(scene: Scene) -> list[FrameRun]:
    """Return what the fast path has relayed and not told."""
    assert scene.pipeline.handover is not None
    return scene.pipeline.handover._forwarder.collect()[0]


async def test_every_packet_of_a_run_is_found(scene: Scene) -> None:
    """In order, backwards, and by leaps."""
    scene.pictures(3, 20_000)
    (run,) = runs_of(scene)
    expected = [
        (payload, unit.time_90k, index == len(unit.payloads) - 1)
        for unit in (AccessUnit(*fields) for fields in run)
        for index, payload in enumerate(unit.payloads)
    ]

    for order in (1, -1, 7):
        asked = [number * order % run.packets for number in range(run.packets)]
        assert [run.packet(number) for number in asked] == [expected[each] for each in asked]


@pytest.mark.parametrize("number", [-1, 1 << 40])
async def test_no_other_packet_is_found(scene: Scene, number: int) -> None:
    """Numbers come from viewers."""
    scene.pictures(3)
    (run,) = runs_of(scene)

    with pytest.raises(IndexError):
        run.packet(number)
    with pytest.raises(IndexError):
        run.packet(run.packets)


async def test_a_repeat_makes_no_more_bytes_than_its_own(scene: Scene) -> None:
    """Of a lost keyframe each packet was asked for, and each time all of it was copied."""
    scene.pictures(1, 100_000)
    (run,) = runs_of(scene)

    payload, _, marker = run.packet(0)

    assert len(payload) < 1_200
    assert not marker
