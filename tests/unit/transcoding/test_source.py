"""A stream transcoded by a real child: what comes out, and what becomes of it when it dies."""

from __future__ import annotations

import itertools
import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from gateway.demo.encoder import Encoder, EncoderSettings
from gateway.demo.scene import Image
from gateway.model.media import AccessUnit, Codec, SourceCounters
from gateway.sources.timeline import Timeline
from gateway.streams.reader import Reader
from gateway.transcoding import process
from gateway.transcoding.messages import MAX_INPUT_PAYLOADS
from gateway.transcoding.output_format import OutputFormat
from gateway.vision.start_patience import StartPatience
from tests.fixtures.coded_pictures import coded_pictures
from tests.fixtures.transcoding import (
    NEVER_LATE_S,
    SMALL,
    decoded,
    pictures,
    transcoding,
    use_fake_child,
)


def status_of(process: psutil.Process) -> str:
    """Return what the kernel says about *process*."""
    return Path(f"/proc/{process.pid}/status").read_text()


def reader_into(taken: list[AccessUnit]) -> Reader:
    """Return a viewer that keeps what it gets in *taken*."""

    def take(unit: AccessUnit) -> bool:
        taken.append(unit)
        return True

    return Reader(take)


async def test_h265_comes_out_as_h264_picture_for_picture() -> None:
    """All pictures of the camera in their order, at its times, none held back."""
    loop = pictures()
    async with transcoding() as made:
        for coded in loop:
            await made.answered(coded)
            assert len(made.units) == made.source.state.report.encoded  # nothing held back

    frames = decoded(made.units)
    assert len(frames) == len(made.units) == len(loop)
    assert (frames[0].width, frames[0].height) == (320, 180)
    assert [unit.time_90k for unit in made.units] == [index * 3600 for index in range(len(loop))]
    assert made.units[0].keyframe
    assert max(len(each) for unit in made.units for each in unit.payloads) <= 1180


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
async def test_jpeg_and_mpeg4_come_out_as_h264(codec: Codec) -> None:
    """Picture for picture, and with the brightness that they had."""
    loop = coded_pictures(codec, 14)
    async with transcoding(codec) as made:
        for index, coded in enumerate(loop):
            await made.picture_answered((coded,), keyframe=codec == "mjpeg" or index % 12 == 0)

    frames = decoded(made.units)
    assert len(frames) == len(loop)
    source = av.CodecContext.create(codec, "r")
    assert isinstance(source, av.VideoCodecContext)
    before = source.decode(av.Packet(loop[0]))[0]
    pixels = [each.to_ndarray(format="bgr24").astype(int) for each in (before, frames[0])]
    assert abs(pixels[0] - pixels[1]).mean() < 4


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
async def test_damaged_jpeg_and_mpeg4_are_survived(codec: Codec) -> None:
    """Random bytes, cut off pictures, one of 65,500 lines; a good one is shown behind them."""
    chance = random.Random(7)
    good = coded_pictures(codec, 1)[0]
    giant = good.replace(bytes.fromhex("00f00140"), bytes.fromhex("ffdcffdc"))
    flipped = bytes(byte ^ (chance.random() < 0.02) for byte in good)
    async with transcoding(codec) as made:
        for bad in (
            chance.randbytes(5000),
            good[: len(good) // 3],
            giant,
            flipped,
            b"\0",
            good * 50,
        ):
            await made.picture_answered((bad,))
        made.units.clear()
        while not made.units:
            await made.picture_answered((good,))

    assert made.source.deaths == 0


def bar(field: int) -> Image:
    """Return a white bar that moves by 16 pixels a field, in two fields, the upper first."""
    image = np.full((576, 720, 3), 40, np.uint8)
    for parity in (0, 1):
        at = 16 * (field + parity)
        image[parity::2, at : at + 100] = 220
    return image


def frame_of(image: Image) -> av.VideoFrame:
    """Return *image* as FFmpeg holds it."""
    return av.VideoFrame.from_ndarray(image, format="bgr24")


def combing(frame: av.VideoFrame) -> float:
    """Return by how much each row differs from the mean of its neighbours."""
    luma = frame.reformat(format="gray").to_ndarray().astype(int)
    return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean())


async def test_interlace_is_taken_out_and_pixels_are_made_square() -> None:
    """One picture is held back for it; 720 x 576 of PAL are shown at 4:3."""
    encoder = Encoder(
        EncoderSettings("h264", 720, 576, 25, 1.0, interlaced=True, pixel_aspect=(16, 15))
    )
    loop = [encoder.encode(bar(2 * index), index)[0] for index in range(12)]
    async with transcoding("h264") as made:
        for index, coded in enumerate(loop):
            await made.answered(coded)
            assert len(made.units) == index

    frame = decoded(made.units)[-1]
    assert (frame.width, frame.height) == (768, 576)
    assert combing(frame) < 0.2 * combing(frame_of(bar(20)))


async def test_pixels_of_h265_are_made_square() -> None:
    """As those of H.264, and with the lines that it has."""
    wide = EncoderSettings("h265", 720, 576, 25, 1.0, 300_000, pixel_aspect=(16, 11))
    async with transcoding() as made:
        await made.send_until(lambda: bool(made.units), wide)

    (frame, *_) = decoded(made.units)
    assert (frame.width, frame.height) == (1048, 576)


async def test_b_frames_come_out_in_the_order_in_which_they_are_shown() -> None:
    """Each at its own time."""
    loop = pictures(EncoderSettings("h264", 320, 180, 25, 1.0, b_frames=2), 1.0)
    timeline = Timeline(SourceCounters())
    async with transcoding("h264") as made:
        for index, coded in enumerate(loop):
            rtp_time = (index + coded.reorder_offset) * 3600
            time_90k = timeline.to_time_90k(rtp_time, index / 25)
            await made.answered(coded, time_90k=time_90k, early_90k=timeline.early_90k)

    times = [unit.time_90k for unit in made.units]
    assert len(times) >= len(loop) - 3
    assert {after - before for before, after in itertools.pairwise(times)} == {3600}


async def test_a_large_picture_is_made_smaller_and_a_small_one_not_larger() -> None:
    """To 240 lines here."""
    async with transcoding(output=OutputFormat(height=240)) as made:
        await made.send_until(lambda: bool(made.units), replace(SMALL, width=640, height=360))
        made.units.clear()
        await made.send_until(lambda: any(unit.keyframe for unit in made.units))

    last = [index for index, unit in enumerate(made.units) if unit.keyframe][-1]
    (frame, *_) = decoded(made.units[last:])
    assert frame.width * 180 == frame.height * 320


async def test_the_reduced_picture_fits_a_very_narrow_line() -> None:
    """Five pictures a second, and no keyframe larger than half a second of the rate."""
    output = OutputFormat().reduced()
    loop = pictures(replace(SMALL, width=640, height=360, gop_s=2.0))
    async with transcoding(output=output) as made:
        assert made.stream.bps == made.source.target_bps == 180_000
        for coded in (*loop, *loop):
            await made.answered(coded)

    seconds = 2 * len(loop) / 25
    assert 5 * seconds <= len(made.units) <= 5 * seconds + 2
    keyframes = [unit for unit in made.units if unit.keyframe]
    assert len(keyframes) == round(seconds / 2)
    assert max(unit.size_bytes for unit in keyframes) <= 180_000 / 8 * 0.5 * 1.3


async def test_a_newcomer_sees_the_first_picture_from_the_cached_gop() -> None:
    """The cached GOP is decoded at full speed: one picture of it is shown, then the live ones."""
    loop = pictures()
    async with transcoding() as made:
        assert made.source.pid is None
        for coded in loop[:20]:
            made.send(coded)
        await made.until(lambda: made.source.state.report.decoded == 20)
        made.send(loop[20])
        await made.until(lambda: len(made.units) == 2)

        assert made.source.state.report.encoded == 2
        assert made.units[0].keyframe
        assert made.units[1].time_90k == 20 * 3600
    assert len(decoded(made.units)) == 2


async def test_a_keyframe_is_made_when_asked_for() -> None:
    """And only then, within the GOP; many who ask get one."""
    loop = pictures(replace(SMALL, gop_s=2.0))
    async with transcoding() as made:
        for index, coded in enumerate(loop[:40]):
            if index == 20:
                assert [made.stream.request_keyframe() for _ in range(5)] == [True] * 5
            await made.answered(coded)

    assert [index for index, unit in enumerate(made.units) if unit.keyframe] == [0, 20]


async def test_a_camera_with_an_old_keyframe_is_asked_for_one_at_the_start() -> None:
    """Else the child begins with all that has come since, to show one picture of it."""
    loop = pictures()
    async with transcoding() as made:
        camera = made.camera_source
        made.camera.opened_s = -1e9  # long before that keyframe
        made.send(loop[0], old_s=NEVER_LATE_S + 10.0)
        assert camera.wants == 0

        assert made.source.pid is None
        await made.until(lambda: made.source.pid is not None)
        os.kill(made.source.pid or 0, signal.SIGKILL)
        await made.until(lambda: made.source.deaths == 1)
        await made.until(lambda: camera.wants > 0)


async def test_all_viewers_share_one_child() -> None:
    """Ten viewers: one process, and the very same payloads."""
    async with transcoding() as made:
        others: list[list[AccessUnit]] = [[] for _ in range(9)]
        for taken in others:
            made.stream.attach(reader_into(taken))
        await made.send_until(lambda: len(made.units) >= 3)
        assert made.source.counters.sessions == 1

    assert all(taken[0] is made.units[0] for taken in others)


async def test_a_killed_child_is_followed_by_another() -> None:
    """The viewer stays and gets a keyframe, later than all before; nothing is left of the first."""
    async with transcoding() as made:
        await made.send_until(lambda: len(made.units) >= 3)
        first, before = made.source.pid, len(made.units)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await made.until(lambda: made.source.pid not in (first, None))
        await made.send_until(lambda: len(made.units) >= before + 3)

        assert made.units[before].keyframe
        times = [unit.time_90k for unit in made.units]
        assert times == sorted(set(times))
        assert not psutil.pid_exists(first)
        assert made.source.state.deaths == 1
        assert made.stream.readers == 1


async def test_a_child_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time in which a picture must be answered."""
    monkeypatch.setattr(process, "SILENCE_S", 0.5)
    async with transcoding() as made:
        await made.send_until(lambda: len(made.units) >= 3)
        first = made.source.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        made.send(pictures()[0])
        await made.until(lambda: made.source.pid not in (first, None))

        assert not psutil.pid_exists(first)
        assert "has not answered" in made.source.state.last_death


async def test_a_child_ends_with_its_transcode() -> None:
    """Whoever stops it leaves no process."""
    async with transcoding() as made:
        await made.send_until(lambda: bool(made.units))
        pid = made.source.pid
        assert pid is not None

    assert not psutil.pid_exists(pid)
    assert made.source.pid is None


async def test_the_child_has_nothing_to_take() -> None:
    """No environment but a few words, no file but its pipes, no socket."""
    async with transcoding() as made:
        await made.send_until(lambda: bool(made.units))
        child = psutil.Process(made.source.pid)

        assert "Seccomp:\t2" in status_of(child)
        if os.geteuid() == 0:
            assert child.net_connections() == []
        else:  # not even its own user sees its files
            with pytest.raises(psutil.AccessDenied):
                child.net_connections()
        assert child.num_threads() == 1
        assert child.nice() == psutil.Process().nice() + 4


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("garbage", "answers with"),
        ("endless", "answers with"),
        ("omits-sets", "without its parameter sets"),
        ("from-the-future", "of the future"),
        ("empty", "an empty picture"),
        ("opens-again", "a second opening"),
        ("dies-at-start", "has ended"),
    ],
)
async def test_a_child_that_says_what_it_must_not_is_ended(
    monkeypatch: pytest.MonkeyPatch, fault: str, said: str
) -> None:
    """With the reason told; the next one gets its chance, and no viewer is lost."""
    use_fake_child(monkeypatch, fault)
    async with transcoding() as made:
        await made.send_until(lambda: made.source.state.deaths >= 2)

        assert said in made.source.state.last_death
        assert made.stream.readers == 1


async def test_a_child_that_never_gets_ready_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time it may take to load its libraries."""
    use_fake_child(monkeypatch, "never-ready")
    monkeypatch.setattr(process, "PATIENCE", StartPatience(0.3))
    async with transcoding() as made:
        await made.until(lambda: made.source.state.deaths >= 1)

    assert "is not ready" in made.source.state.last_death


async def test_a_child_that_hangs_in_the_middle_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that deadlocks, as v4l2m2m does."""
    use_fake_child(monkeypatch, "hangs")
    monkeypatch.setattr(process, "SILENCE_S", 0.5)
    async with transcoding() as made:
        await made.send_until(lambda: made.source.state.deaths >= 1)

    assert "has not answered" in made.source.state.last_death


async def test_pauses_grow_with_each_death() -> None:
    """From half a second to a minute, and start over after a minute without one."""
    async with transcoding() as made:
        pauses = [made.source._loss("x").longest_s for _ in range(9)]

    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


async def test_behind_a_unit_too_large_for_the_child_it_gets_a_keyframe_first() -> None:
    """What refers to a picture that it has not got would be smeared."""
    loop = pictures(replace(SMALL, codec="h264"))
    async with transcoding("h264") as made:
        for coded in loop[:5]:
            await made.answered(coded)
        pieces = (b"\x02",) * (MAX_INPUT_PAYLOADS + 1)
        made.camera.deliver(AccessUnit(pieces, 5 * 3600, False, 0.0, len(pieces)))
        made.sent += 1
        for coded in loop[6:26]:
            made.send(coded)
        await made.until(lambda: made.units[-1].time_90k == 25 * 3600)

        assert made.source.state.report.decoded == 6
