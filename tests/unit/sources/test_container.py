"""A container into a sink, by a real child."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise

import av
import pytest

from gateway.demuxing.messages import ContainerFormat
from gateway.demuxing.process import DemuxedUnit
from gateway.model.errors import SourceStalled, SourceUnavailable
from gateway.model.media import Codec, SourceCounters
from gateway.model.reasons import Reason
from gateway.rtp.codecs import coded_picture
from gateway.rtsp.budget import CameraBudget
from gateway.runtime.clock import SystemClock
from gateway.sources.container import ContainerReader
from gateway.sources.container_units import ContainerUnits
from gateway.sources.timeline import Timeline
from gateway.vision.ffmpeg_input import PADDING
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.containers import STEP_90K, container
from tests.fixtures.sinks import RecordingSink

CLOCK = SystemClock()
LIMIT = 1_180


class Given:
    """A stream of given bytes."""

    def __init__(self, container_format: ContainerFormat, *pieces: bytes) -> None:
        self.format = container_format
        self.budget = CameraBudget(CLOCK)
        self._pieces = pieces
        self.closed = False

    async def receive(self) -> AsyncGenerator[bytes, None]:
        """Yield them."""
        try:
            for piece in self._pieces:
                yield piece
                await asyncio.sleep(0)
        finally:
            self.closed = True


def reader(counters: SourceCounters | None = None) -> ContainerReader:
    return ContainerReader(
        counters or SourceCounters(), payload_bytes=LIMIT, stall_s=5.0, clock=CLOCK
    )


async def play(stream: Given, pulled: ContainerReader | None = None) -> RecordingSink:
    """Run *stream* to its end."""
    sink = RecordingSink()
    async with asyncio.timeout(HANG_S):
        with pytest.raises(SourceStalled) as raised:
            await (pulled or reader()).run(stream, sink)
    assert raised.value.reason is Reason.SOURCE_ENDED
    assert stream.closed
    return sink


@pytest.mark.parametrize(
    ("container_format", "codec"),
    [
        ("flv", "h264"),
        ("flv", "h265"),
        ("mpegts", "h264"),
        ("mpegts", "h265"),
        ("mpegts", "mpeg4"),
        ("mp4", "h264"),
        ("mp4", "mjpeg"),
    ],
)
async def test_a_container_plays(container_format: ContainerFormat, codec: Codec) -> None:
    """Every picture is decoded again, keyframes where the encoder has put them."""
    sink = await play(Given(container_format, container(container_format, codec)))

    assert sink.video is not None
    assert sink.video.codec == codec
    units = sink.units
    keyframes = {0, 10, 20} if codec != "mjpeg" else set(range(30))
    if codec == "mpeg4":
        keyframes = {number for number, unit in enumerate(units) if unit.keyframe}
    assert {number for number, unit in enumerate(units) if unit.keyframe} == keyframes
    assert {b.time_90k - a.time_90k for a, b in pairwise(units)} == {STEP_90K}
    assert max(len(each) for unit in units for each in unit.payloads) <= (
        LIMIT if codec in ("h264", "h265") else 1 << 20
    )
    decoder = av.CodecContext.create({"h265": "hevc"}.get(codec, codec), "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [
        frame
        for unit in units
        for frame in decoder.decode(av.Packet(coded_picture(codec, unit.payloads) + PADDING))
    ]
    frames += decoder.decode(None)
    assert len(frames) == 30
    assert not any(frame.is_corrupt for frame in frames)


async def test_the_first_keyframe_brings_its_parameter_sets() -> None:
    """In band, and to the sink."""
    sink = await play(Given("flv", container("flv")))

    assert sink.video is not None
    assert [nal[0] & 0x1F for nal in sink.video.parameter_sets] == [7, 8]


async def test_b_frames_are_told() -> None:
    """By how much earlier each is shown, as over RTP."""
    counters = SourceCounters()
    sink = await play(Given("flv", container("flv", b_frames=2)), reader(counters))

    assert counters.backward > 5
    assert any(unit.early_90k for unit in sink.units)
    shown = [unit.time_90k - unit.early_90k for unit in sink.units]
    assert len(set(shown)) == len(shown)


async def test_sound_is_left_out() -> None:
    """It belongs to no picture and costs nothing."""
    sink = await play(Given("mpegts", container("mpegts", audio=True)))

    assert len(sink.units) == 30


async def test_times_go_on_over_the_next_container() -> None:
    """One growing timeline, as over RTSP sessions."""
    counters = SourceCounters()
    pulled = reader(counters)
    first = await play(Given("flv", container("flv")), pulled)
    second = await play(Given("flv", container("flv")), pulled)

    assert second.units[0].time_90k > first.units[-1].time_90k
    assert counters.sessions == 2
    assert (counters.units, counters.keyframes) == (60, 6)


async def test_bytes_without_pictures_end_it() -> None:
    """The clock is moved on by each."""
    clock = FakeClock()

    class Slow(Given):
        async def receive(self) -> AsyncGenerator[bytes, None]:
            """Yield sound for ever."""
            while True:
                await clock.sleep(1.0)
                yield bytes(10)

    pulled = ContainerReader(SourceCounters(), payload_bytes=LIMIT, stall_s=5.0, clock=clock)
    async with asyncio.timeout(HANG_S):
        with pytest.raises(SourceStalled) as raised:
            await pulled.run(Slow("mpegts"), RecordingSink())
    assert raised.value.reason is Reason.CORRUPT


def units_of(codec: Codec = "h264") -> ContainerUnits:
    counters = SourceCounters()
    return ContainerUnits(
        codec,
        timeline=Timeline(counters),
        counters=counters,
        payload_bytes=LIMIT,
        budget=CameraBudget(FakeClock()),
    )


SPS, PPS = bytes.fromhex("6742c01ed9008d0f"), bytes.fromhex("68cb83cb20")
IDR, P = b"\x65\x88abc", b"\x41\x9aabc"


def test_several_pictures_in_one_packet_are_taken_apart() -> None:
    """Each with a time of its own, spread over the time since the last packet."""
    units = units_of()
    units.push(DemuxedUnit("h264", 0, [SPS, PPS, IDR], 0), 0.0)
    pictures = units.push(DemuxedUnit("h264", 3_600, [P, P], 0), 0.04)
    (after,) = units.push(DemuxedUnit("h264", 10_800, [P], 0), 0.12)

    assert [each.time_90k for each in (*pictures, after)] == [3_600, 7_200, 10_800]


def test_a_keyframe_without_its_sets_gets_those_before() -> None:
    """Where the container repeats none."""
    units = units_of()
    units.push(DemuxedUnit("h264", 0, [SPS, PPS, IDR], 0), 0.0)
    (picture,) = units.push(DemuxedUnit("h264", 3_600, [IDR], 0), 0.04)

    assert picture.keyframe
    assert SPS in picture.payloads[0]


def test_the_rest_of_a_picture_is_left_out() -> None:
    """A container that begins in the middle of one."""
    units = units_of()

    assert units.push(DemuxedUnit("h264", 0, [b"\x41\x1aabc"], 0), 0.0) == []


@pytest.mark.parametrize("nal", [b"\x7cxx", b"\x65", b"\x78\0\1a"])
def test_what_is_no_nal_unit_is_left_out(nal: bytes) -> None:
    """A child that somebody has taken over says what it likes; viewers get none of it."""
    units = units_of()

    assert units.push(DemuxedUnit("h264", 0, [SPS, PPS, IDR, nal], 0), 0.0) == []


def test_too_many_pictures_are_abuse() -> None:
    """Whatever their times say."""
    units = units_of()

    def flood() -> None:
        for number in range(1_000):
            units.push(DemuxedUnit("h264", number, [P], 0), 0.0)

    with pytest.raises(SourceUnavailable) as raised:
        flood()
    assert raised.value.reason is Reason.ABUSIVE
