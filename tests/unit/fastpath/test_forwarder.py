"""The fast path by itself: what it does with pictures, viewers and ends."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.fastpath import RtpDestination
from gateway.model.errors import SourceStalled
from gateway.rtp.payload import fragment
from gateway.sources.fastpath_handover import MAX_FRUITLESS_STARTS
from gateway.webrtc import retransmit_buffer
from tests.fixtures.camera_stream import FakeCameraStream
from tests.fixtures.clock import HANG_S
from tests.fixtures.fastpath_scenarios import NUMBERS, Pipeline, Scene, stamps


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Yield a scene in which the fast path relays, read by hand."""
    made = Scene(Pipeline(fast_path=True, viewers=1), FakeCameraStream("h264", 3))
    made.camera.seq, made.camera.time = 65_530, 2**32 - 8_000
    made.camera.keyframe()
    made.send()
    yield made
    made.pipeline.close()


async def test_numbers_and_stamps_of_the_camera_may_wrap(scene: Scene) -> None:
    """16 and 32 bits; the timeline just grows."""
    scene.pictures(6)

    assert scene.relayed == 6
    assert stamps(scene.viewer) == [3_600 * n for n in range(7)]


async def test_numbers_to_the_viewer_have_no_holes(scene: Scene) -> None:
    """Whether the fast path numbers or the sender."""
    scene.pictures(3)
    scene.camera.send_event("key")
    scene.pictures(3)

    numbers = [seq for _, seq, *_ in scene.viewer.media]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("size", [1_180, 1_181, 1_182, 2_359, 5_000, 60_000])
async def test_a_large_unit_is_cut_as_elsewhere(scene: Scene, size: int) -> None:
    """The sizes are those of `gateway.rtp.payload.fragment`."""
    nal = scene.camera.nal(1, size - 1)
    before = len(scene.viewer.media)

    scene.camera.picture([nal], fragment_bytes=1 << 20)
    scene.send()

    payloads = [payload for *_, payload in scene.viewer.media[before:]]
    assert scene.relayed == 1
    assert payloads == fragment(scene.camera.payload_format, nal, 1_180)


async def test_more_than_a_batch_arrives_whole(scene: Scene) -> None:
    """Beyond 64 segments, and beyond 65,000 bytes."""
    before = len(scene.viewer.media)

    scene.camera.p(65 * 200, fragment_bytes=200)
    scene.camera.p(70 * 1_100, fragment_bytes=1_100)
    scene.send()

    assert scene.relayed == 2
    assert len(scene.viewer.media) - before == 65 + 70


async def test_what_the_kernel_refuses_to_cut_goes_one_by_one(scene: Scene) -> None:
    """A socket without checksums has no segmentation; Python sends to it from then on."""
    so_no_check = 11
    scene.viewer.near.setsockopt(socket.SOL_SOCKET, so_no_check, 1)

    scene.pictures(2)

    assert scene.viewer.destination.offload_refused
    assert stamps(scene.viewer) == [0, 3_600, 7_200]
    assert scene.relayed == 1
    assert not scene.viewer.path.offload


async def test_what_cannot_be_sent_is_counted(scene: Scene) -> None:
    """An address that this socket has no pipeline to."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        destination = scene.viewer.destination
        destination.set_address(near.fileno(), "127.0.0.1", 9)
        scene.camera.p(100)
        scene.send()

        assert (destination.blocked, destination.failed) == (0, 1)
        destination.clear_address()


async def test_a_viewer_who_has_left_is_not_sent_to(scene: Scene) -> None:
    """Its descriptor may be closed: the pictures are handed back."""
    scene.viewer.destination.clear_address()

    scene.pictures(2)

    assert scene.relayed == 0
    assert scene.pipeline.stream.fast_path is None


async def test_a_burst_above_a_narrow_line_is_handed_back() -> None:
    """The sender's queue drops what the line does not carry; the fast path cannot."""
    pipeline = Pipeline(fast_path=True)
    try:
        pipeline.join(pace_bps=30e6).sender.set_pace(8e6)
        made = Scene(pipeline, FakeCameraStream("h264", 3))
        made.camera.keyframe(500)
        made.send()
        made.pictures(1, 39_000)
        made.pictures(1, 40_100)

        assert made.relayed == 1
        assert len(pipeline.stream.units) == 3
    finally:
        pipeline.close()


async def test_a_viewer_over_ipv6_is_served(scene: Scene) -> None:
    """Addresses of either family."""
    other = scene.pipeline.join(host="::1")
    scene.pictures(3)

    assert scene.relayed >= 2
    assert stamps(other)[-3:] == [3_600, 7_200, 10_800]


@pytest.mark.parametrize("host", ["", "camera.lan", "1.2.3", "fe80::1%eth0", "ü"])
def test_what_is_no_address_cannot_be_aimed_at(host: str) -> None:
    """Names are for the resolver."""
    destination = RtpDestination(payload_type=96, ssrc=1, offset_90k=0, seq=0, protect=1)

    assert not destination.set_address(0, host, 9)


async def test_a_camera_that_hangs_up_is_noticed(scene: Scene) -> None:
    """The source sees the end, behind all that came before it."""
    scene.pictures(2)
    scene.pipeline.hang_up()
    scene.pipeline.read()

    assert isinstance(scene.pipeline.connection._broken, SourceStalled)
    assert len(scene.pipeline.stream.units) == 3


async def test_a_camera_without_ordinary_pictures_is_left_alone(scene: Scene) -> None:
    """After some handovers in vain the fast path does not try again."""
    for _ in range(MAX_FRUITLESS_STARTS):
        scene.camera.send_event("alone")
        scene.send()
    scene.pictures(3)

    assert scene.relayed == 0
    assert scene.pipeline.stream.fast_path is None


async def test_a_packet_that_the_fast_path_has_sent_is_sent_again(scene: Scene) -> None:
    """History knows it, also before the fast path has settled."""
    scene.pictures(2)
    _, _, stamp, payload = scene.viewer.media[-1]

    scene.viewer.sender.retransmit([scene.viewer.destination.seq - 1 & 0xFFFF])
    scene.viewer.receive()

    second, _, again, repeated = scene.viewer.received[-1]
    assert second == 0x80 | (NUMBERS.rtx_payload_type or 0)
    assert (again - scene.viewer.destination.offset_90k) & 0xFFFF_FFFF == stamp
    assert repeated[2:] == payload


@pytest.mark.parametrize("fast_path", [True, False])
async def test_all_that_is_asked_for_comes_whoever_has_sent_it(
    fast_path: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the pace allows at once, asked for again and again: each packet comes once."""
    monkeypatch.setattr(retransmit_buffer, "HOLDOFF_S", HANG_S)
    pipeline = Pipeline(fast_path=fast_path, viewers=1)
    scene = Scene(pipeline, FakeCameraStream("h264", 3))
    scene.camera.keyframe()
    scene.send()
    scene.pictures(30)
    viewer = scene.viewer
    sent = {seq: payload for _, seq, _, payload in viewer.media}
    viewer.sender._s_per_byte = 8 / 5e6

    for _ in range(20):
        viewer.sender.retransmit((viewer._first_seq + seq) & 0xFFFF for seq in sent)
    async with asyncio.timeout(HANG_S):
        while viewer.sender.retransmitted < len(sent):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0)
    viewer.receive()

    rtx = NUMBERS.rtx_payload_type
    again = [payload for kind, *_, payload in viewer.received if kind & 0x7F == rtx]
    assert [payload[2:] for payload in again] == list(sent.values())
    assert (scene.relayed > 0) == fast_path
    pipeline.close()


async def test_a_report_counts_what_the_fast_path_has_sent(scene: Scene) -> None:
    """Packets and octets (RFC 3550 §6.4.1)."""
    scene.pictures(3)

    report = scene.viewer.sender.sender_info(0.0, 0.0)

    media = scene.viewer.media
    assert report is not None
    assert report[2:] == (len(media), sum(len(payload) for *_, payload in media))


async def test_who_joins_is_sent_the_whole_gop(scene: Scene) -> None:
    """With the pictures that the fast path has relayed and Python has not collected."""
    scene.pictures(5)

    newcomer = scene.pipeline.join()
    newcomer.receive()

    assert len(stamps(newcomer)) == 6


async def test_two_cameras_do_not_mix(scene: Scene) -> None:
    """They share buffers, but between two reads nothing is in them."""
    other = Scene(Pipeline("h265", fast_path=True, viewers=1), FakeCameraStream("h265", 4))
    other.camera.keyframe()
    other.send()
    halves = []
    for each in (scene, other):
        each.camera.p(20_000)
        halves.append(bytes(each.camera.sent))
        each.camera.sent.clear()

    for at in range(0, len(halves[0]) + 500, 500):
        for each, half in zip((scene, other), halves, strict=True):
            each.pipeline.camera_sends(half[at : at + 500])

    assert (scene.relayed, other.relayed) == (1, 1)
    assert stamps(scene.viewer) == stamps(other.viewer) == [0, 3_600]
    other.pipeline.close()


def session() -> None:
    """Relay some pictures, from beginning to end."""
    made = Scene(Pipeline(fast_path=True, polling=True, viewers=2), FakeCameraStream("h264", 3))
    made.camera.keyframe()
    made.send()
    made.pictures(3)
    assert made.relayed == 3
    made.pipeline.close()


async def test_nothing_is_left_open() -> None:
    """No descriptor after the session's end, but those of the polling thread."""
    session()
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))

    session()

    assert sorted(os.listdir("/proc/self/fd")) == before
