"""An analogue camera at a USB grabber: pictures, causes, and an end whatever the device does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import av
import numpy as np
import psutil
import pytest

from gateway.capture import process
from gateway.model.errors import GatewayError, SourceRefused
from gateway.model.media import AccessUnit, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import KeyframeSource
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources import v4l2_source
from gateway.sources.probe_steps import ProbeOptions, Step, StepFailed, StepTimer
from gateway.sources.registry import source_type, url_policy
from gateway.sources.v4l2_source import V4l2Source
from gateway.transcoding.capacity import Capacity, Load
from gateway.transcoding.output_format import OutputFormat
from tests.fixtures.clock import HANG_S
from tests.fixtures.fake_v4l2 import DEVICE, use_fake_device
from tests.fixtures.sinks import RecordingSink
from tests.fixtures.transcoding import decoded

CLOCK = SystemClock()
AT_ONCE = """
import os, sys
from gateway.transcoding.messages import OutputHeader, Report, pack_report
head = OutputHeader(Report.UNIT, True, 3, 1, 1, 1, 1, 0, 1, 768, 576, 0.1)
ready = pack_report(OutputHeader(Report.READY, nals=1), [b"grabber"])
os.write(1, ready + pack_report(head, [b"\\x67\\x64", b"\\x68\\xee", b"\\x65" + bytes(80)]))
sys.stdin.read()
"""
URL = f"v4l2://{DEVICE}?standard=PAL"


def source(
    url: str = URL,
    *,
    devices: Sequence[str] = (DEVICE,),
    stall_s: float = 5.0,
    capacity: Capacity | None = None,
) -> V4l2Source:
    stream = StreamConfig(url=url, stall_s=stall_s)
    made = source_type(url).create(
        CameraConfig(id="c1", name="analogue", streams=(stream,)),
        stream,
        password=None,
        policy=url_policy((), devices=devices),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1180,
        clock=CLOCK,
        capacity=capacity or Capacity(4.0),
    )
    assert isinstance(made, V4l2Source)
    return made


@asynccontextmanager
async def captured(made: V4l2Source, units: int) -> AsyncIterator[RecordingSink]:
    """Capture, and yield once there are *units* pictures; raises what ends it before."""
    sink = RecordingSink(units)
    running = asyncio.create_task(made.run(sink))
    enough = asyncio.create_task(sink.enough.wait())
    async with asyncio.timeout(HANG_S):
        await asyncio.wait({running, enough}, return_when=asyncio.FIRST_COMPLETED)
    enough.cancel()
    try:
        if running.done():
            await running
        yield sink
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, GatewayError):
            await running


async def failure(made: V4l2Source) -> GatewayError:
    """Return what ends the capture."""
    with pytest.raises(GatewayError) as caught:
        async with captured(made, 10_000_000):
            pass
    return caught.value


def combing(frame: av.VideoFrame) -> float:
    """Return by how much each row differs from the mean of its neighbours."""
    luma = frame.reformat(format="gray").to_ndarray().astype(int)
    return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean())


def shows_the_bar(units: list[AccessUnit]) -> bool:
    """Return whether the newest picture has a white bar of 100 pixels on grey, upright."""
    luma = decoded(units)[-1].reformat(format="gray").to_ndarray().astype(int)
    share = (luma > 150).mean(axis=0)
    return bool(share.max() > 0.98) and bool(0.08 < (luma > 150).mean() < 0.2)


async def test_pal_comes_out_as_progressive_h264_with_square_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bar moves from field to field; 720 x 576 are shown at 4:3."""
    use_fake_device(monkeypatch)
    async with captured(source(), 12) as sink:
        units = list(sink.units)

    frames = decoded(units)
    assert sink.formats == [VideoFormat("h264")]
    assert units[0].keyframe
    assert all(after.time_90k > before.time_90k for before, after in pairwise(units))
    assert (frames[-1].width, frames[-1].height) == (768, 576)
    assert combing(frames[-1]) < 1.0
    assert shows_the_bar(units)


@pytest.mark.parametrize("how", ["progressive", "padded"])
async def test_the_picture_is_whole_however_the_device_lays_it_out(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Without fields, and with padding behind each line."""
    use_fake_device(monkeypatch, how)
    async with captured(source(), 8) as sink:
        assert shows_the_bar(list(sink.units))


async def test_a_device_that_compresses_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG of 320 x 240 in this case."""
    use_fake_device(monkeypatch, "mjpeg", "progressive")
    async with captured(source(), 3) as sink:
        frame = decoded(list(sink.units))[-1]

    assert frame.width * 3 == frame.height * 4


async def test_a_keyframe_is_made_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GOP of an hour; however many ask, there is one of it."""
    use_fake_device(monkeypatch)
    monkeypatch.setattr(v4l2_source, "OUTPUT", OutputFormat(gop_s=3600))
    made, second = source(), asyncio.Event()
    assert isinstance(made, KeyframeSource)
    assert not made.request_keyframe()

    class Sink(RecordingSink):
        def deliver(self, unit: AccessUnit) -> None:
            super().deliver(unit)
            if len(self.units) == 5:
                assert [made.request_keyframe() for _ in range(5)] == [True] * 5
            elif unit.keyframe and len(self.units) > 1:
                second.set()

    sink = Sink()
    running = asyncio.create_task(made.run(sink))
    async with asyncio.timeout(HANG_S):
        await second.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [each.keyframe for each in sink.units].count(True) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("missing", Reason.DEVICE_MISSING),
        ("busy_open", Reason.DEVICE_BUSY),
        ("busy", Reason.DEVICE_BUSY),
        ("denied", Reason.DEVICE_DENIED),
        ("no_signal", Reason.NO_SIGNAL),
        ("lost_signal", Reason.NO_SIGNAL),
        ("no_input", Reason.CAPTURE_FORMAT),
        ("no_std", Reason.CAPTURE_FORMAT),
        ("bayer", Reason.CAPTURE_FORMAT),
        ("giant", Reason.CAPTURE_FORMAT),
        ("radio", Reason.CAPTURE_FORMAT),
        ("unplug", Reason.DEVICE_MISSING),
        ("impossible", Reason.DEVICE_MISSING),
        ("silent", Reason.STALLED),
        ("mjpeg undecodable", Reason.STALLED),
        ("hang", Reason.STALLED),
    ],
)
async def test_the_cause_is_told(
    monkeypatch: pytest.MonkeyPatch, fault: str, reason: Reason
) -> None:
    """Each by its own reason, with the device; the child is gone in any case."""
    use_fake_device(monkeypatch, fault)
    error = await failure(source(stall_s=2.0))

    assert error.reason is reason
    assert DEVICE in error.detail
    assert not psutil.Process().children()


async def test_what_will_not_pass_parks_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute at a time: somebody has to change something."""
    for fault in ("denied", "no_input"):
        use_fake_device(monkeypatch, fault)
        assert isinstance(await failure(source()), SourceRefused)


@pytest.mark.parametrize("fault", ["damaged", "short"])
async def test_damaged_pictures_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """As the driver marks them, or by their length."""
    use_fake_device(monkeypatch, fault)
    made = source()
    async with captured(made, 12) as sink:
        assert shows_the_bar(list(sink.units))

    assert made.counters.discarded >= 4


async def test_the_first_picture_counts_however_soon_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the bytes that say that the device is open: it is the only keyframe for a while."""
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-B", "-c", AT_ONCE))
    async with captured(source(), 1) as sink:
        assert [each.keyframe for each in sink.units] == [True]


async def test_a_killed_child_is_a_stall_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The supervisor runs the source again."""
    use_fake_device(monkeypatch)
    made = source()
    sink = RecordingSink(3)
    running = asyncio.create_task(made.run(sink))
    async with asyncio.timeout(HANG_S):
        await sink.enough.wait()
        (child,) = psutil.Process().children()
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(GatewayError) as caught:
            await running

    assert caught.value.reason is Reason.STALLED
    assert not psutil.Process().children()


async def test_what_a_capture_costs_is_kept_from_the_transcodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the name of the camera, for as long as it runs."""
    use_fake_device(monkeypatch)
    capacity = Capacity(0.1)
    async with captured(source(capacity=capacity), 1):
        assert capacity.used(0.0) > 0.1
        assert capacity.admit("c1/main/captured", Load(1.0, 25.0, capture=True), 0.0) == ""
    assert capacity.used(0.0) == 0.0


async def test_one_capture_too_many_is_refused_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried again by itself: another may end."""
    use_fake_device(monkeypatch, "missing")
    capacity = Capacity(0.1)
    capacity.begin("c2/main/captured", Load(10.0, 25.0, capture=True))
    error = await failure(source(capacity=capacity))

    assert error.reason is Reason.TRANSCODING_FULL
    assert DEVICE in error.detail
    assert not isinstance(error, SourceRefused)


async def test_a_device_that_the_settings_do_not_name_is_not_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the document says."""
    use_fake_device(monkeypatch)
    error = await failure(source(devices=("/dev/video0",)))

    assert error.reason is Reason.POLICY_DENIED
    assert "[cameras] devices" in error.detail


async def test_an_idle_device_is_looked_for_without_opening_it() -> None:
    """Opening would make it busy for others; there is none here."""
    with pytest.raises(GatewayError) as caught:
        await source().check()

    assert caught.value.reason is Reason.DEVICE_MISSING


async def probed(url: str = URL) -> list[Step]:
    """Return the steps of a probe."""
    options = ProbeOptions(None, None, False, "auto", 5.0, CLOCK)
    target = await url_policy((), devices=(DEVICE,)).resolve(url)
    return [step async for step in source_type(url).probe(target, options, StepTimer(CLOCK))]


async def test_a_probe_tells_the_device_and_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, its format, the rate."""
    use_fake_device(monkeypatch)
    steps = await probed()

    assert [step.name for step in steps] == ["connect", "first_packet", "codec", "bitrate"]
    assert all(step.ok for step in steps)
    assert steps[0].fact == "Fake Grabber (fake): 720x576 yuyv422, tff fields"


async def test_a_probe_tells_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the step at which it shows."""
    use_fake_device(monkeypatch, "busy")
    with pytest.raises(StepFailed) as caught:
        await probed()
    assert caught.value.error.reason is Reason.DEVICE_BUSY

    use_fake_device(monkeypatch, "silent")
    steps = await probed()
    assert steps[-1].reason is Reason.STALLED
