"""Probes a camera's HLS: playlists, segments, and the pictures in them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.demuxing.process import SHOWN
from gateway.model.reasons import Reason
from gateway.runtime.url_policy import Target
from gateway.sources.container_probe import FIRST_PICTURE_S, probe_container
from gateway.sources.hls_stream import HlsStream
from gateway.sources.http_client import HttpAnswer, HttpClient
from gateway.sources.probe_steps import ProbeOptions, Step, StepTimer, run_step


async def probe_hls(
    client: HttpClient,
    target: Target,
    answer: HttpAnswer,
    options: ProbeOptions,
    timer: StepTimer,
) -> AsyncGenerator[Step, None]:
    """Yield what is found in the playlist of *answer*, and behind it.

    Args:
        client: Has asked.
        target: For that.
        answer: What came.
        options: How long to watch.
        timer: Makes the steps.
    """
    yield timer.step("connect", answer.server or "the camera does not name itself")
    asked = "login accepted" if client.challenged else "no login asked for"
    yield timer.step("authentication", asked)
    hls = HlsStream(client, target, stall_s=FIRST_PICTURE_S, clock=options.clock)
    await run_step("setup", hls.open(answer))
    if not await run_step("setup", hls.begin()):
        yield timer.step("setup", "HLS without segments", Reason.SOURCE_ENDED)
        return
    said = f"HLS, {hls.variants} qualities, {SHOWN[hls.format]}; segments of {hls.segment_s:g} s:"
    yield timer.step("setup", f"{said} pictures come at least that late")
    async with aclosing(probe_container(hls, options, timer)) as steps:
        async for step in steps:
            yield step
