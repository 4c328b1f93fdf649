"""What is seen of a camera at a change key, and what costs a closer look."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import pytest

from gateway.cameras.camera import Camera, obstacle_of
from gateway.demo.encoder import EncoderSettings, record, split_annex_b
from gateway.health.camera_health import health_of
from gateway.model.media import Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig
from gateway.rtp.codecs import packetise
from tests.fixtures.access_units import access_unit
from tests.unit.cameras.test_stream_supervisor import REFUSED, SupervisedStream, running

CONFIG = CameraConfig.model_validate(
    {"id": "c01", "name": "Sảnh", "streams": [{"url": "rtsp://10.0.0.1/main"}]}
)


def camera(supervised: SupervisedStream, config: CameraConfig = CONFIG) -> Camera:
    return Camera(config, (supervised.supervisor,))


async def test_pictures_that_come_change_nothing_at_a_change_key() -> None:
    """Only counters and times, which a report takes once a minute."""
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))
        before = camera(supervised).change_key(0)

        supervised.source.counters.units += 25
        supervised.stream.deliver(access_unit(1, arrived_s=supervised.clock.now()))

        assert camera(supervised).change_key(0) == before


@pytest.mark.parametrize(
    ("backward", "reason"), [(0, Reason.OK), (1, Reason.OK), (33, Reason.B_FRAMES)]
)
async def test_b_frames_are_told_and_one_step_back_is_not(backward: int, reason: Reason) -> None:
    """The centre heard `OK` of a camera whose pictures no viewer sees in order."""
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))
        before = camera(supervised).change_key(0)

        supervised.source.counters.units += 100
        supervised.source.counters.backward += backward

        seen = camera(supervised).snapshot(0)
        health = health_of(seen, supervised.clock.now(), None, 0.0)
        assert (health.reason, health.state) == (reason, "on" if reason is Reason.OK else "deg")
        assert ("steps back" in health.detail) == (reason is Reason.B_FRAMES)
        assert (camera(supervised).change_key(0) != before) == (reason is Reason.B_FRAMES)


async def test_the_first_picture_is_seen_at_a_change_key() -> None:
    """The camera has come up."""
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        before = camera(supervised).change_key(0)

        supervised.clock.time_s += 1
        supervised.stream.deliver(access_unit(0, keyframe=True, arrived_s=supervised.clock.now()))

        assert camera(supervised).change_key(0) != before


async def test_trouble_is_seen_at_a_change_key() -> None:
    """With its reason."""
    supervised = SupervisedStream()
    supervised.source.fails = [REFUSED]
    before = camera(supervised).change_key(0)
    async with running(supervised):
        await supervised.until(lambda: supervised.reason() is Reason.AUTH_FAILED)

        assert camera(supervised).change_key(0) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda supervised: camera(supervised).change_key(1),
        lambda supervised: camera(
            supervised, CONFIG.model_copy(update={"name": "Quầy"})
        ).change_key(0),
        lambda supervised: setattr(supervised.stream, "video", VideoFormat("h265")),
        lambda supervised: setattr(supervised.stream, "parameter_payloads", (b"\x67",)),
        lambda supervised: setattr(supervised.supervisor, "detail", "no route"),
        lambda supervised: setattr(supervised.supervisor, "attempts", 3),
    ],
)
async def test_whatever_a_person_would_see_is_seen_at_a_change_key(change: object) -> None:
    """Viewers, name, codec, size, detail, attempts."""
    supervised = SupervisedStream()
    before = camera(supervised).change_key(0)

    assert callable(change)
    after = change(supervised) or camera(supervised).change_key(0)

    assert after != before


async def test_a_snapshot_says_what_it_is_in_full() -> None:
    """The source's counters among it."""
    supervised = SupervisedStream()
    supervised.source.counters.packets = 7

    snapshot = camera(supervised).snapshot(2)

    assert (snapshot.id, snapshot.name, snapshot.viewers) == ("c01", "Sảnh", 2)
    assert snapshot.counters.packets == 7
    assert snapshot.counters is not supervised.source.counters


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize(
    ("shape", "obstacle"), [((1, 1), ""), ((16, 15), "pixels that are not square")]
)
async def test_pixels_that_are_not_square_are_an_obstacle(
    codec: Codec, shape: tuple[int, int], obstacle: str
) -> None:
    """In either codec, by its SPS: no browser corrects them."""
    settings = EncoderSettings(codec, 720, 576, 25, 1.0, 300_000, pixel_aspect=shape)
    (first, *_) = record("x", settings, 0.2).pictures
    supervised = SupervisedStream()
    supervised.stream.video = VideoFormat(codec)
    supervised.stream.parameter_payloads = tuple(packetise(first.nal_units[:-1], codec, 1180))

    assert obstacle_of(supervised.stream) == obstacle


@pytest.mark.parametrize(
    ("codec", "pixels", "obstacle"),
    [
        ("h264", "yuv420p", ""),
        ("h264", "yuv420p10le", "pixels that are not 4:2:0 of 8 bits"),
        ("h264", "yuv422p", "pixels that are not 4:2:0 of 8 bits"),
        ("h264", "yuv444p", "pixels that are not 4:2:0 of 8 bits"),
        ("h265", "yuv420p", ""),
        ("h265", "yuv422p", "pixels that are not 4:2:0 of 8 bits"),
    ],
)
async def test_pixels_that_browsers_do_not_decode_are_an_obstacle(
    codec: Codec, pixels: str, obstacle: str
) -> None:
    """By the profile in the SPS: the viewer would be sent what it was never asked about."""
    context = av.CodecContext.create({"h264": "libx264", "h265": "libx265"}[codec], "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 320, 180, pixels
    context.time_base = Fraction(1, 25)
    context.options = {"tune": "zerolatency", "x265-params": "log-level=none:pools=none"}
    frame = av.VideoFrame(320, 180, pixels)
    for plane in frame.planes:  # x264 aborts at 16 bits where 10 are told, as fresh memory may hold
        plane.update(bytes(plane.buffer_size))
    (packet, *_) = context.encode(frame)
    units = [each for each in split_annex_b(bytes(packet)) if each]
    supervised = SupervisedStream()
    supervised.stream.video = VideoFormat(codec)
    supervised.stream.parameter_payloads = tuple(packetise(units[:-1], codec, 1180))

    assert obstacle_of(supervised.stream) == obstacle


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (EncoderSettings("h264", 640, 360), ()),
        (EncoderSettings("h264", 704, 576, interlaced=True), (Reason.PICTURE_INTERLACED,)),
        (EncoderSettings("h264", 352, 288, pixel_aspect=(12, 11)), ()),
        (EncoderSettings("h264", 352, 288), (Reason.PICTURE_ASPECT,)),
        (EncoderSettings("h264", 960, 576), (Reason.PICTURE_ASPECT,)),
        (EncoderSettings("h265", 352, 288), (Reason.PICTURE_ASPECT,)),
    ],
)
async def test_what_should_be_set_otherwise_is_told(
    settings: EncoderSettings, advice: tuple[Reason, ...]
) -> None:
    """Of a camera that works, by the parameter sets of real encoders."""
    if settings.interlaced:
        settings = replace(settings, pixel_aspect=(12, 11))
    sets = record("", settings, 0.1).parameter_sets
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        supervised.stream.on_opened(VideoFormat(settings.codec, sets))

        assert camera(supervised).snapshot(0).advice == advice


async def test_interlace_that_only_the_pictures_show_is_told_at_a_change_key() -> None:
    """DVRs call two fields one progressive picture."""
    async with running(SupervisedStream(warm=True)) as supervised:
        await supervised.until(lambda: supervised.source.sink is not None)
        before = camera(supervised).change_key(0)

        supervised.stream.combed = True

        assert camera(supervised).snapshot(0).advice == (Reason.PICTURE_INTERLACED,)
        assert camera(supervised).change_key(0) != before


async def test_a_transcode_is_absent_for_the_reason_of_its_camera() -> None:
    """Also a reduced one; while the camera says nothing, the picture has stopped."""
    supervised = SupervisedStream()
    supervised.source.fails = [REFUSED]
    large, reduced, other = SupervisedStream(), SupervisedStream(), SupervisedStream()
    transcodes: Any = ((object(), large.supervisor), (object(), reduced.supervisor))
    shown = Camera(CONFIG, (supervised.supervisor,), transcodes)
    async with running(supervised):
        await supervised.until(lambda: supervised.reason() is Reason.AUTH_FAILED)

        for each in (supervised, large, reduced):
            assert shown.absence_of(each.stream) is Reason.AUTH_FAILED
        assert shown.absence_of(other.stream) is Reason.STALLED
