"""The machine's own `ffmpeg` as the one that transcodes, with its software encoder."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from gateway.demo.encoder import EncoderSettings
from gateway.model.media import Codec
from gateway.transcoding import encoder_trial, program_command
from gateway.transcoding.encoder_choice import EncoderChoice
from gateway.transcoding.output_format import OutputFormat
from tests.fixtures.coded_pictures import coded_pictures
from tests.fixtures.transcoding import SMALL, Transcode, decoded, pictures, transcoding

NAME = "ffmpeg/libx264"


def own() -> EncoderChoice:
    """Return the choice of the program."""
    return EncoderChoice(NAME, tried=True)


def status_of(process: psutil.Process) -> str:
    """Return what the kernel says about *process*."""
    return Path(f"/proc/{process.pid}/status").read_text()


def has(made: Transcode, count: int) -> bool:
    """Whether the viewer has got *count* pictures."""
    return len(made.units) == count


def program_of(made: Transcode) -> psutil.Process:
    """Return the program that works for the child."""
    (program,) = psutil.Process(made.source.pid).children()
    return program


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_it_holds_no_picture_back(codec: Codec) -> None:
    """The first is not lost, each comes out before the next goes in, with its own time."""
    loop = pictures(replace(SMALL, codec=codec))
    async with transcoding(codec, encoder=own()) as made:
        for index, coded in enumerate(loop):
            await made.answered(coded)
            await made.until(partial(has, made, index + 1))

    frames = decoded(made.units)
    assert len(frames) == len(loop)
    assert (frames[0].width, frames[0].height) == (320, 180)
    assert [unit.time_90k for unit in made.units] == [index * 3600 for index in range(len(loop))]


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
async def test_jpeg_and_mpeg4_come_out_as_h264(codec: Codec) -> None:
    """As with the library."""
    loop = coded_pictures(codec, 14)
    async with transcoding(codec, encoder=own()) as made:
        for index, coded in enumerate(loop):
            await made.picture_answered((coded,), keyframe=codec == "mjpeg" or index % 12 == 0)
        await made.until(lambda: len(made.units) >= len(loop) - 1)

    assert len(decoded(made.units)) >= len(loop) - 1


async def test_a_keyframe_is_made_when_asked_for() -> None:
    """While it runs, and otherwise once in a GOP."""
    loop = pictures(replace(SMALL, gop_s=2.0), 4.0)
    async with transcoding(encoder=own()) as made:
        for index, coded in enumerate(loop):
            if index == 20:
                assert made.stream.request_keyframe()
            await made.answered(coded)
        await made.until(lambda: len(made.units) == len(loop))

    assert [index for index, unit in enumerate(made.units) if unit.keyframe] == [0, 20, 70]


async def test_what_is_late_is_decoded_and_not_encoded() -> None:
    """By the same rules as with the library: told with each picture, while the program runs."""
    loop = pictures(replace(SMALL, codec="h264"))
    async with transcoding("h264", encoder=own()) as made:
        for coded in loop[:5]:
            await made.answered(coded)
        for coded in loop[5:25]:
            await made.answered(coded, old_s=1002.0)
        for coded in loop[25:]:
            await made.answered(coded)
        await made.until(lambda: len(made.units) >= 5 + 12)

        assert made.source.dropped == 20
        assert made.source.divisor == 2
        assert made.units[5].time_90k == 25 * 3600


async def test_another_size_begins_anew_without_a_death() -> None:
    """The viewer stays and gets a keyframe of the new size."""
    large = EncoderSettings("h264", 640, 360, 25, 1.0, 300_000)
    async with transcoding("h264", encoder=own()) as made:
        await made.send_until(lambda: len(made.units) >= 5, replace(SMALL, codec="h264"))
        await made.send_until(lambda: made.source.counters.sessions == 2, large)
        count = len(made.units)
        await made.send_until(lambda: len(made.units) >= count + 3, large)

        assert made.source.deaths == 0
        assert made.stream.readers == 1
    sizes = {(frame.width, frame.height) for frame in decoded(made.units)}
    assert sizes == {(320, 180), (640, 360)}


async def test_interlace_is_taken_out_and_pixels_are_made_square() -> None:
    """As with the library."""
    settings = EncoderSettings("h264", 720, 576, 25, 1.0, interlaced=True, pixel_aspect=(16, 15))
    async with transcoding("h264", encoder=own()) as made:
        await made.send_until(lambda: len(made.units) >= 3, settings)

    frame = decoded(made.units)[-1]
    assert (frame.width, frame.height) == (768, 576)


async def test_it_is_confined() -> None:
    """No new privileges, a filter, no core, little memory; and the child is in its own sandbox."""
    async with transcoding(encoder=own()) as made:
        await made.send_until(lambda: len(made.units) >= 2)
        program, child = program_of(made), psutil.Process(made.source.pid)
        status = status_of(program)

        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert program.net_connections() == []
        assert program.nice() == psutil.Process().nice() + 4
        assert program.rlimit(psutil.RLIMIT_DATA)[0] <= 1 << 30
        assert program.rlimit(psutil.RLIMIT_FSIZE)[0] == 0
        assert program.environ().keys() == {"LC_ALL"}
        assert "Seccomp:\t2" in status_of(child)


@pytest.mark.parametrize("victim", ["child", "program"])
async def test_a_killed_one_is_followed_by_another(victim: str) -> None:
    """Whichever of the two it was, nothing of them is left, and the viewer stays."""
    async with transcoding(encoder=own()) as made:
        await made.send_until(lambda: len(made.units) >= 3)
        first, program = made.source.pid, program_of(made).pid
        assert first is not None
        os.kill(first if victim == "child" else program, signal.SIGKILL)
        await made.send_until(lambda: made.source.pid not in (first, None))
        before = len(made.units)
        await made.send_until(lambda: len(made.units) >= before + 3)

        assert made.units[before].keyframe
        assert made.stream.readers == 1
        assert not psutil.pid_exists(first)
        await made.until(lambda: not alive(program))


def alive(pid: int) -> bool:
    """Return whether process *pid* is there and no zombie of somebody else's."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child waits for it, answers nothing more, and is killed by the watchdog."""
    async with transcoding(encoder=own()) as made:
        await made.send_until(lambda: len(made.units) >= 3)
        first, program = made.source.pid, program_of(made).pid
        monkeypatch.setattr("gateway.transcoding.process.SILENCE_S", 0.5)
        os.kill(program, signal.SIGSTOP)
        await made.send_until(
            lambda: made.source.pid not in (first, None), replace(SMALL, width=1280, height=720)
        )

        await made.until(lambda: not alive(program))
        assert made.stream.readers == 1


async def test_its_processor_time_is_counted() -> None:
    """The child's and the program's, so that capacity is right."""
    async with transcoding(encoder=own()) as made:
        await made.send_until(lambda: len(made.units) >= 60)
        used = program_of(made).cpu_times()

        assert made.source.state.report.cpu_s >= 0.5 * (used.user + used.system)


async def test_a_program_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the trial, before anybody watches."""
    monkeypatch.setattr(program_command, "PROGRAM", "/usr/bin/no-ffmpeg")

    assert "cannot be started" in encoder_trial.try_program(NAME)


async def test_a_large_picture_is_made_smaller() -> None:
    """To 240 lines here."""
    output = OutputFormat(height=240)
    async with transcoding(output=output, encoder=own()) as made:
        await made.send_until(lambda: bool(made.units), replace(SMALL, width=640, height=360))

    (frame, *_) = decoded(made.units)
    assert (frame.width, frame.height) == (428, 240)
