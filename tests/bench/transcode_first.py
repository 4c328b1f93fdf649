"""First frames of a transcode through a whole gateway, in a real Chromium, one viewer at a time.

``cold``: the camera is open, with its newest GOP in the cache; the child is started for this viewer
and has ended before the next. ``camera cold``: the camera is opened for this viewer, too, and sends
from its next keyframe on. ``warm``: somebody else watches all the time. The clock is that of
`tests.bench.first_frame`: from before the offer to the first picture presented.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.async_api import async_playwright

from gateway.demo.browser_check import ARGUMENTS, CHROMIUM
from tests.bench import job_camera
from tests.bench.first_frame import PAGE, PATIENCE_S, SCRIPT, Viewing, figures, view
from tests.bench.measure import CALM_S, SETTLE_S, log, machine
from tests.bench.relays.ours import CameraGateway
from tests.bench.signalling import dialect
from tests.bench.testbed import NotStarted, Testbed, python
from tests.bench.transcode import JOBS
from tests.bench.transcode_relays import workers_of

JOB = "1080p H.265"
ENDED_S = 20.0


@dataclass(frozen=True, slots=True)
class State:
    """What there is when a viewer comes.

    Attributes:
        name: In the results.
        keep: Of the camera's stream, as in the site document.
        watched: Whether another viewer is there all the time.
    """

    name: str
    keep: str
    watched: bool = False


STATES = (State("cold", "warm"), State("camera cold", "on_demand"), State("warm", "warm", True))


async def _browse(
    word: str, gop_s: float, viewings: int, calm: Callable[[], Awaitable[None]]
) -> list[Viewing]:
    """Return *viewings*, each after *calm* and a moment within the GOP."""
    chance, found = random.Random(viewings), []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, "--disable-features=WebRtcHideLocalIpsWithMdns"],
            headless=True,
        )
        talk = dialect(word)
        try:
            page = await browser.new_page()
            await page.set_content(PAGE)
            await page.evaluate(SCRIPT)
            for number in range(viewings + 1):
                await calm()
                await asyncio.sleep(chance.uniform(0, gop_s))
                seen = await view(talk, page, gop_s + PATIENCE_S)
                if number:  # the first opens connections of signalling
                    found.append(seen)
                    log(f"{seen}")
        finally:
            await talk.close()
            await browser.close()
    return found


def once(state: State, viewings: int) -> list[Viewing]:
    """Return the viewings in *state*; none, aloud, if the gateway does not come up."""
    gop_s = JOBS[JOB].gop_s
    with Testbed() as testbed:
        try:
            (url,) = job_camera.start(testbed, [JOB])
            relay = CameraGateway(options={"keep": state.keep, "linger_s": 0})
            running = relay.start(testbed, [url], 2)

            async def calm() -> None:
                async with asyncio.timeout(ENDED_S):
                    while not state.watched and workers_of(running.pid):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)

            time.sleep(CALM_S)
            if state.watched:
                command = python("tests.bench.receiver", running.dialect, 1, 1)
                testbed.start(command, says="ready")
            time.sleep(SETTLE_S + gop_s)
            return asyncio.run(_browse(running.dialect, gop_s, viewings, calm))
        except NotStarted as error:
            log(f"{state.name}: {error}")
            return []


def first_frames(viewings: int, states: Sequence[State] = STATES) -> dict[str, Any]:
    """Return the times to the first picture in each of *states*."""
    load_before = os.getloadavg()[0]
    results = []
    for state in states:
        seen = once(state, viewings)
        results.append({"state": state.name, **figures("camera-gateway", 2, seen)})
        log(" ".join(f"{key}={value}" for key, value in results[-1].items()))
    return {
        "scenario": "transcode-first-frame",
        "job": JOB,
        "viewings": viewings,
        "machine": machine(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "results": results,
    }
