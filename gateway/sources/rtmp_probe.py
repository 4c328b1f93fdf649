"""Probes a camera over RTMP: connection, what it is asked for, and the pictures that come."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.rtmp.client import RtmpClient
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target
from gateway.sources.container_probe import probe_container
from gateway.sources.probe_steps import ProbeOptions, Step, StepTimer, run_step

STALL_S = 5.0
"""The longest silence."""


async def probe_rtmp(
    target: Target, options: ProbeOptions, timer: StepTimer
) -> AsyncGenerator[Step, None]:
    """Probe *target* (`gateway.sources.registry.ProbeSource`).

    A camera that plays and hangs up before any video is asked once more, with H.265 offered.
    """
    async with _client(target, options, offers_h265=False) as client:
        await run_step("connect", client.connect())
        yield timer.step("connect", "connected")
        await run_step("options", client.open_app())
        yield timer.step("options", client.session.server or "the camera does not name itself")
        await run_step("setup", client.play())
        steps = probe_container(client, options, timer)
        async with aclosing(steps):
            first = await anext(steps)
            hung_up = not first.ok and not client.session.pictures
            if not hung_up:
                yield timer.step("setup", "it plays")
                yield first
                async for step in steps:
                    yield step
    if hung_up:
        async with _client(target, options, offers_h265=True) as client:
            await run_step("setup", client.open())
            yield timer.step("setup", "it plays, asked again with H.265 offered")
            async with aclosing(probe_container(client, options, timer)) as again:
                async for step in again:
                    yield step


def _client(target: Target, options: ProbeOptions, *, offers_h265: bool) -> RtmpClient:
    account = Account(target.host, None, LoginLimiter(options.clock))
    return RtmpClient(
        target, account=account, clock=options.clock, stall_s=STALL_S, offers_h265=offers_h265
    )
