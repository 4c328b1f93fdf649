"""An encoder that is a device is opened before the sandbox closes, and used behind it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gateway.demo.encoder import EncoderSettings
from gateway.transcoding import process
from gateway.transcoding.output_format import OutputFormat
from tests.fixtures.transcoding import SMALL, decoded, pictures, transcoding

CHILD = Path(__file__).parents[2] / "fixtures/device_worker.py"
H264 = replace(SMALL, codec="h264")


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Software encodes as if it were a device."""
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-B", str(CHILD)))


async def test_pictures_come_out_of_the_sandbox() -> None:
    """Each as its own; the child is locked in."""
    loop = pictures(H264)
    async with transcoding("h264") as made:
        for coded in loop:
            await made.answered(coded)
        child = psutil.Process(made.source.pid)

        assert child.num_threads() == 1
        assert "Seccomp:\t2" in _status(child.pid)
    assert len(decoded(made.units)) == len(loop)


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


async def test_pixels_and_lines_are_known_before_it_is_opened() -> None:
    """By the parameter sets of the first keyframe: as the decoder will find them."""
    wide = EncoderSettings("h264", 720, 576, 25, 1.0, interlaced=True, pixel_aspect=(16, 15))
    async with transcoding("h264", OutputFormat(height=240)) as made:
        await made.send_until(lambda: bool(made.units), wide)

        assert made.source.counters.sessions == 1
    (frame, *_) = decoded(made.units)
    assert (frame.width, frame.height) == (320, 240)


async def test_another_size_begins_anew_without_a_death() -> None:
    """The device cannot be opened again from within; the next child does."""
    large = EncoderSettings("h264", 640, 360, 25, 1.0, 300_000)
    async with transcoding("h264") as made:
        await made.send_until(lambda: len(made.units) >= 3, H264)
        await made.send_until(lambda: made.source.counters.sessions == 2, large)
        count = len(made.units)
        await made.send_until(lambda: len(made.units) >= count + 3, large)

        assert made.source.deaths == 0
        assert made.stream.readers == 1
    assert decoded(made.units)[-1].width == 640


async def test_a_camera_that_changes_all_the_time_begins_children_ever_less_often() -> None:
    """The first at once, then after growing pauses: each costs a start."""
    async with transcoding("h264") as made:
        pauses = [made.source._change("x").longest_s for _ in range(10)]

    assert pauses == [0.0, 0.5, 1, 2, 4, 8, 16, 32, 60, 60]
