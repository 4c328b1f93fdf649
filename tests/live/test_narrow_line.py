"""A camera of 4 Mb/s over a line of 2.5 Mb/s, or a lossy one, with a real Chromium at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.bench import testbed
from tests.bench.first_frame import PAGE, SCRIPT
from tests.bench.line import Line, LineQuality
from tests.bench.narrow import LineViewer, received, start_camera
from tests.bench.relays.ours import CameraGateway
from tests.bench.signalling import dialect
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live

Counters = dict[str, Any]
NARROW = LineQuality(mbps=2.5)


@asynccontextmanager
async def watching(
    browser: Browser, *, sub: bool, quality: LineQuality = NARROW
) -> AsyncIterator[Callable[[], Any]]:
    """A viewer behind a line of *quality*; yields what reads the counters of its video."""
    with testbed.Testbed() as bed:
        main = start_camera(bed, "1280x720", 4_000_000)
        subs = [start_camera(bed, "640x360", 1_000_000)] if sub else []
        running = CameraGateway(subs=subs).start(bed, [main], 1)
        async with Line(quality) as line:
            page = await (await browser.new_context()).new_page()
            await page.set_content(PAGE)
            await page.evaluate(SCRIPT)
            viewer, talk = LineViewer(page, line), dialect(running.dialect)
            await viewer.begin()
            try:
                await talk.connect(0, viewer)
                yield lambda: received(page)
            finally:
                await talk.close()


async def until(read: Callable[[], Any], true: Callable[[Counters], bool]) -> Counters:
    """Return the counters as soon as they are *true*."""
    async with asyncio.timeout(HANG_S):
        while True:
            found: Counters | None = await read()
            if found is not None and true(found):
                return found
            await asyncio.sleep(0.1)


async def test_a_viewer_on_a_narrow_line_sees_the_sub_stream_move(chromium: Browser) -> None:
    """In the same session. Nothing was ever decoded: each PLI filled the line again."""
    async with watching(chromium, sub=True) as read:
        smaller = await until(read, lambda each: bool(each.get("frameHeight") == 360))

        await until(read, lambda each: bool(each["framesDecoded"] > smaller["framesDecoded"] + 100))


async def test_a_viewer_on_a_narrow_line_sees_keyframes_at_least(chromium: Browser) -> None:
    """Of a camera without a sub-stream."""
    async with watching(chromium, sub=False) as read:
        await until(read, lambda each: bool(each["keyFramesDecoded"] >= 4))


async def test_a_player_on_a_lossy_line_waits_for_what_is_sent_again(chromium: Browser) -> None:
    """It is told how long; the main stream goes on. Pictures stood still 8 times a minute."""
    async with watching(chromium, sub=True, quality=LineQuality(loss=0.05)) as read:

        def waits(seen: Counters) -> bool:
            emitted = seen.get("jitterBufferEmittedCount", 0)
            return bool(emitted and seen["jitterBufferTargetDelay"] > 0.1 * emitted)

        waiting = await until(read, waits)

        assert waiting["frameHeight"] == 720
