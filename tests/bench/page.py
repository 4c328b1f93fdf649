"""What the operators' page costs a browser: its main thread at rest, and in a typed search."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, async_playwright

from gateway.demo.browser_check import ARGUMENTS, CHROMIUM
from tests.fixtures.broker import Broker
from tests.fixtures.console import run_console
from tests.fixtures.country import country

QUERY = "kinh bac"
VIEWPORT = {"width": 1366, "height": 768}


def page(sites: tuple[int, ...] | list[int], seconds: float) -> Iterator[dict[str, Any]]:
    """Yield for each number of sites what Chromium's main thread does; four cameras a site."""
    for count in sites:
        yield asyncio.run(_measure(count, seconds))


async def _measure(sites: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        await broker.start()
        try:
            async with run_console(broker, heard=country(sites)) as url:
                return await _browse(url, sites, seconds)
        finally:
            broker.stop()


async def _browse(url: str, sites: int, seconds: float) -> dict[str, Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        opened = await browser.new_page(viewport=VIEWPORT)  # type: ignore[arg-type]
        devtools = await opened.context.new_cdp_session(opened)
        await devtools.send("Performance.enable")
        await opened.goto(url)
        await opened.get_by_text(f"{sites} điểm").wait_for()
        loaded_s = await _busy_s(devtools)
        await asyncio.sleep(seconds)
        idle_s = await _busy_s(devtools) - loaded_s
        before_s = await _busy_s(devtools)
        await opened.locator("#search").press_sequentially(QUERY)
        await opened.locator(".site-name").first.wait_for()
        searched_s = await _busy_s(devtools) - before_s
        elements = await opened.evaluate("document.querySelectorAll('*').length")
        await browser.close()
    return {
        "scenario": "page",
        "sites": sites,
        "load_s": round(loaded_s, 2),
        "idle_percent_of_a_core": round(100 * idle_s / seconds, 2),
        "search_s": round(searched_s, 3),
        "elements": elements,
    }


async def _busy_s(devtools: CDPSession) -> float:
    """Return for how long the page's main thread has been busy (CDP, ``TaskDuration``)."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")
