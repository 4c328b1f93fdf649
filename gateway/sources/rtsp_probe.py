"""Probes a camera over RTSP: connection, session, and what comes in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.model.camera_clock import clock_fault
from gateway.model.errors import GatewayError
from gateway.model.media import ClockReading
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.client import RtspClient
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.rtsp.sdp import Description
from gateway.runtime.clock import now_ms
from gateway.runtime.url_policy import Target
from gateway.sources.probe_stats import Finding, ProbeStats
from gateway.sources.probe_steps import ProbeOptions, Step, StepName, StepTimer, run_step
from gateway.sources.stream_measure import StreamMeasure

FIRST_PACKET_S = 5.0
"""How long the first RTP packet may take after PLAY; and the longest silence after it."""


async def probe_rtsp(
    target: Target, options: ProbeOptions, timer: StepTimer
) -> AsyncGenerator[Step, None]:
    """Probe *target* with at most one login (`gateway.sources.registry.ProbeSource`)."""
    account = Account(target.host, options.login, LoginLimiter(options.clock))
    async with RtspClient(target, account=account, clock=options.clock) as client:
        await run_step("connect", client.connect())
        yield timer.step("connect", "connected")
        offered = await run_step("options", client.options())
        yield timer.step("options", offered.server or "the camera does not name itself")
        description = await run_step("describe", client.describe())
        sets = len(description.video.parameter_sets)
        yield timer.step("describe", f"{description.encoding}, {sets} parameter sets in the SDP")
        asked = "login accepted" if client.challenged else "no login asked for"
        yield timer.step("authentication", asked)
        session = await run_step("setup", client.setup(description, options.transport))
        yield timer.step("setup", f"{session.transport}, timeout {session.timeout_s:g} s")
        async with aclosing(_probe_video(client, description, options, timer)) as steps:
            async for step in steps:
                yield step


async def _probe_video(
    client: RtspClient, description: Description, options: ProbeOptions, timer: StepTimer
) -> AsyncGenerator[Step, None]:
    """Play the session that is set up, and yield what comes in it."""
    stats = ProbeStats(description, options.clock, client.budget)
    await run_step("first_packet", client.play(stats.push_packets))
    if not await run_step("first_packet", _wait(client, stats.packet, FIRST_PACKET_S)):
        yield timer.step("first_packet", f"no RTP within {FIRST_PACKET_S:g} s", Reason.STALLED)
        return
    yield timer.step("first_packet", "RTP comes")
    keyframe = await run_step("first_keyframe", _wait(client, stats.keyframe, options.watch_s))
    yield _step(timer, "first_keyframe", stats.first_keyframe, stats.measure)
    if keyframe:
        await run_step("gop", _wait(client, stats.enough, options.watch_s))
        yield _step(timer, "gop", stats.gop)
    yield _step(timer, "codec", stats.codec)
    yield _step(timer, "interlace", stats.interlace)
    yield _step(timer, "pixels", stats.pixels)
    yield _step(timer, "clock", _clock(client.receiver_stats.clock_reading, options.clock))
    yield _step(timer, "bitrate", stats.bitrate)
    yield _step(timer, "b_frames", stats.b_frames, stats.measure)


def _step(
    timer: StepTimer, name: StepName, finding: Finding, measure: StreamMeasure | None = None
) -> Step:
    return timer.step(name, finding.fact, finding.reason, measure)


def _clock(reading: ClockReading | None, clock: Clock) -> Finding:
    """Return how far the camera's clock is off, as this machine's says."""
    if reading is None:
        return Finding(Reason.OK, "the camera does not tell the time")
    off_s = reading.unix_s + (clock.now() - reading.at_s) - now_ms() / 1000
    fact = f"{abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} this machine's clock"
    return Finding(clock_fault(off_s) or Reason.OK, fact)


async def _wait(client: RtspClient, event: asyncio.Event, limit_s: float) -> bool:
    """Run the session until *event*; False if that takes more than *limit_s*.

    Raises:
        GatewayError: The session has broken.
    """
    broken: GatewayError | None = None
    try:
        async with asyncio.timeout(limit_s):
            try:
                async with asyncio.TaskGroup() as group:
                    session = group.create_task(
                        client.monitor(stall_s=FIRST_PACKET_S), name="probe"
                    )
                    await event.wait()
                    session.cancel()
            except* GatewayError as errors:
                broken = _first(errors)
    except TimeoutError:
        return False
    if broken is not None:
        raise broken
    return True


def _first(errors: BaseExceptionGroup[GatewayError]) -> GatewayError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
