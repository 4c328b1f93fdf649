"""Probes a capture device: is it there, what is it, do pictures come of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from gateway.capture.options import WrongUrl, parse_capture_url
from gateway.capture.process import CaptureProcess
from gateway.model.errors import GatewayError, SourceRefused
from gateway.model.reasons import Reason
from gateway.runtime.url_policy import Target
from gateway.sources.probe_steps import ProbeOptions, Step, StepFailed, StepTimer, run_step
from gateway.sources.v4l2_source import OUTPUT
from gateway.transcoding.messages import OutputHeader, Report

PICTURES = 25
"""So many are looked at."""
WITHIN_S = 10.0


async def probe_v4l2(
    target: Target, options: ProbeOptions, timer: StepTimer
) -> AsyncGenerator[Step, None]:
    """Probe the device of *target* (`gateway.sources.registry.ProbeSource`)."""
    try:
        wanted = parse_capture_url(target.url)
    except WrongUrl as error:
        refused = SourceRefused(Reason.CAPTURE_FORMAT, str(error))
        raise StepFailed("connect", refused) from error
    seen = _Seen()
    capturing = CaptureProcess.start(wanted, OUTPUT, on_report=seen.note)
    child = await run_step("connect", capturing)
    try:
        yield timer.step("connect", child.device)
        began_s = options.clock.now()
        failure = await _watch(child, wanted.device, seen.enough)
        took_s = max(options.clock.now() - began_s, 0.001)
    finally:
        await asyncio.shield(child.stop())
    if not seen.heads:
        fact = failure.detail if failure else f"no picture within {WITHIN_S:g} s"
        yield timer.step("first_packet", fact, failure.reason if failure else Reason.STALLED)
        return
    last = seen.heads[-1]
    yield timer.step("first_packet", f"{last.dropped} damaged pictures")
    yield timer.step("codec", f"encoded here as H.264, {last.width}x{last.height}")
    yield timer.step("bitrate", f"{seen.rate(took_s)} in {took_s:.1f} s")


class _Seen:
    """What has been seen of a device.

    Attributes:
        heads: Of each picture.
        enough: Set when there are `PICTURES`.
    """

    def __init__(self) -> None:
        self.heads: list[OutputHeader] = []
        self.enough = asyncio.Event()
        self._bytes = 0

    def note(self, head: OutputHeader, nals: list[bytes]) -> None:
        """Take one report of the child."""
        if head.report is Report.UNIT:
            self.heads.append(head)
            self._bytes += sum(map(len, nals))
        if len(self.heads) >= PICTURES:
            self.enough.set()

    def rate(self, took_s: float) -> str:
        """Return bits and pictures a second."""
        mbps = self._bytes * 8 / took_s / 1e6
        return f"{mbps:.2f} Mb/s, {len(self.heads) / took_s:.1f} pictures/s"


async def _watch(child: CaptureProcess, device: str, enough: asyncio.Event) -> GatewayError | None:
    """Return what has failed before there was *enough*, if anything has."""
    failure: GatewayError | None = None

    async def run() -> None:
        nonlocal failure
        try:
            await child.run()
        except GatewayError as error:
            failure = error
            enough.set()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(), name=f"capture:{device}")
        try:
            async with asyncio.timeout(WITHIN_S):
                await enough.wait()
        except TimeoutError:
            pass
        running.cancel()
    return failure
