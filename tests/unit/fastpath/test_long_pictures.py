"""Pictures that come in many reads, and those whose NAL units come together, by the fast path."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.model.media import Codec
from gateway.rtp.payload import aggregate
from tests.fixtures.camera_stream import FakeCameraStream
from tests.fixtures.fastpath_scenarios import Pipeline, Scene, stamps
from tests.unit.fastpath.test_budget import AMPLE, line, pictures, started

__all__ = ["line"]


@pytest.fixture(params=["h264", "h265"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """Yield a scene in which the fast path relays, read by hand."""
    codec: Codec = request.param
    made = Scene(Pipeline(codec, fast_path=True, viewers=1), FakeCameraStream(codec, 3))
    made.camera.keyframe()
    made.send()
    yield made
    made.pipeline.close()


@pytest.mark.parametrize("size", [100_000, 300_000, 900_000])
async def test_a_keyframe_of_a_large_picture_stays(scene: Scene, size: int) -> None:
    """Cameras of 8 Mb/s and more send such ones; above 262 kB it was given back."""
    scene.camera.keyframe(size)
    scene.send()
    scene.pictures(2)

    assert scene.relayed == 3
    assert len(stamps(scene.viewer)) == 4


async def test_one_that_is_too_large_is_given_back_whole(scene: Scene) -> None:
    """So much of one camera is held, and no more; nothing is lost."""
    scene.camera.p(1_100_000)
    scene.send()
    scene.pictures(2)

    assert scene.relayed == 2
    assert stamps(scene.viewer) == [0, 3_600, 7_200, 10_800]


def test_a_picture_is_copied_once_in_however_many_reads(line: tuple) -> None:  # type: ignore[type-arg]
    """What is there was copied with each read: of n reads half of n times."""
    near, far = line
    far.setblocking(True)
    budget = AMPLE, AMPLE, AMPLE, (0.0, 16_384.0 * 20)
    forwarder = started(near, *budget)
    camera = FakeCameraStream("h264")
    camera.seq, camera.time = 1, 0
    camera.p(400_000)
    sent = bytes(camera.sent)
    for at in range(0, len(sent), 1_300):
        far.send(sent[at : at + 1_300])
        forwarder.read_once()

    _, _, units, *_ = forwarder.take_counts()
    assert units == 1
    assert not forwarder.over_budget


def test_what_is_behind_a_long_picture_is_not_lost(line: tuple) -> None:  # type: ignore[type-arg]
    """The beginning of the next one comes with the end of the one before."""
    near, far = line
    forwarder = started(near)
    camera = FakeCameraStream("h264")
    camera.seq, camera.time = 1, 0
    for size in (200_000, 30_000, 100_000, 500):
        camera.p(size)
    sent = bytes(camera.sent)
    for at in range(0, len(sent), 40_000):
        far.send(sent[at : at + 40_000])
        forwarder.read_once()

    _, _, units, *_ = forwarder.take_counts()
    assert units == 4
    assert forwarder.stop() == b""


async def test_parameter_sets_may_come_together(scene: Scene) -> None:
    """A STAP-A or AP in front of a keyframe, as some cameras and most relays send it."""
    kind = 5 if scene.camera.codec == "h264" else 19
    sets = aggregate(scene.camera.payload_format, scene.camera._sets)
    before = len(scene.viewer.media)

    scene.camera.picture([sets, scene.camera.nal(kind, 3_000)])
    scene.send()

    assert scene.relayed == 1
    assert scene.viewer.media[before][-1] == sets


async def test_new_parameter_sets_that_come_together_are_told(scene: Scene) -> None:
    """Python must know them, whatever they are packed in."""
    kind = 5 if scene.camera.codec == "h264" else 19
    first, *others = scene.camera._sets
    sets = aggregate(scene.camera.payload_format, [first + b"\x01", *others])

    scene.camera.picture([sets, scene.camera.nal(kind, 3_000)])
    scene.send()

    assert scene.relayed == 0
    assert len(scene.pipeline.stream.units) == 2


def test_nal_units_of_an_aggregate_are_charged(line: tuple) -> None:  # type: ignore[type-arg]
    """As many packets; as in Python."""
    near, far = line
    forwarder = started(near, AMPLE, (0.0, 120.0))
    camera = FakeCameraStream("h264")
    camera.seq, camera.time = 1, 0
    nals = [camera.nal(1, 2, first=not n) for n in range(50)]
    for _ in range(3):
        camera.picture([aggregate(camera.payload_format, nals)])
    far.send(bytes(camera.sent))

    forwarder.read_once()

    _, _, units, *_ = forwarder.take_counts()
    assert units == 2
    assert forwarder.over_budget
    assert len(pictures(1, 20)) < len(forwarder.stop())
