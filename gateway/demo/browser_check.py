"""Watches every camera of a demo centre in Chromium, clicking as an operator does.

Prints a line of JSON per camera and, for several viewings, one with percentiles. Times are the
page's own: from the click to the connection and to the first frame presented.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from playwright.async_api import Page, async_playwright

from gateway.demo.config_files import GATEWAY
from gateway.demo.launcher import Centre

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
)
_READY_MS = 60_000
_FIRST_FRAME_MS = 15_000
_LEAST_FPS = 12.0
"""Half the frame rate of the cameras; below it the video stutters."""

_ALL_ON = """count => {
  const cams = (window.cameraGateway?.sites() ?? []).flatMap(site => site.cams);
  return cams.filter(cam => cam.st === "on").length >= count;
}"""
_WAIT_FIRST_FRAME = """async ([gw, cam, late_ms]) => {
  const late = new Promise(resolve => setTimeout(resolve, late_ms, null));
  return Promise.race([window.cameraGateway.watch(gw, cam), late]);
}"""
_CLOSE = "([gw, cam]) => window.cameraGateway.close({gw, cam})"
_STATS = "() => window.cameraGateway.stats()"


async def check(centre: Centre, *, seconds: float, viewings: int) -> int:
    """Return 0 if every camera plays for *seconds*, after *viewings* clicks each; else 1."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        try:
            page = await browser.new_page(viewport={"width": 1920, "height": 1080})
            await page.goto(centre.page)
            names = [camera.id for camera in centre.cameras]
            await page.wait_for_function(_ALL_ON, arg=len(names), timeout=_READY_MS)
            firsts = [
                await _open_and_close(page, name) for _ in range(viewings - 1) for name in names
            ]
            lines = await _watch(page, names, seconds)
        finally:
            await browser.close()
    firsts += [line["first_frame_ms"] for line in lines]
    for line in lines:
        _print_line(line)
    if viewings > 1:
        _print_line(summary(firsts))
    return 0 if None not in firsts and all(plays(line) for line in lines) else 1


def plays(line: dict[str, Any]) -> bool:
    """Return whether a camera's line shows live video."""
    started = line["connected_ms"] is not None and line["first_frame_ms"] is not None
    return started and line["state"] == "live" and line["fps"] >= _LEAST_FPS


def summary(firsts: Sequence[float | None]) -> dict[str, Any]:
    """Return the percentiles of the times to the first frame, None for those that never came."""
    came = sorted(each for each in firsts if each is not None)
    cuts = statistics.quantiles(came, n=20, method="inclusive") if len(came) > 1 else came * 19
    return {
        "viewings": len(firsts),
        "never": len(firsts) - len(came),
        "first_frame_ms": {
            "p50": round(cuts[9], 1) if cuts else None,
            "p95": round(cuts[18], 1) if cuts else None,
            "max": round(came[-1], 1) if came else None,
        },
    }


async def _open_and_close(page: Page, name: str) -> float | None:
    """Open a camera, wait for its first frame, close it; return the time in ms or None."""
    await _click(page, name)
    first = await page.evaluate(_WAIT_FIRST_FRAME, [GATEWAY, name, _FIRST_FRAME_MS])
    await page.evaluate(_CLOSE, [GATEWAY, name])
    return first["first_frame_ms"] if first else None


async def _watch(page: Page, names: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    for name in names:
        await _click(page, name)
        await page.evaluate(_WAIT_FIRST_FRAME, [GATEWAY, name, _FIRST_FRAME_MS])
    before = {each["cam"]: each for each in await page.evaluate(_STATS)}
    began_s = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)  # the time of measurement
    after = {each["cam"]: each for each in await page.evaluate(_STATS)}
    watched_s = asyncio.get_running_loop().time() - began_s
    return [line(name, before[name], after[name], watched_s) for name in names]


def line(
    name: str, before: dict[str, Any], after: dict[str, Any], watched_s: float
) -> dict[str, Any]:
    """Return the line of one camera from the statistics before and after *watched_s* seconds."""

    def rounded(given: float | None) -> float | None:
        return None if given is None else round(given, 1)

    decoded = after.get("frames_decoded", 0)
    return {
        "camera": name,
        "connected_ms": rounded(after["connected_ms"]),
        "first_frame_ms": rounded(after["first_frame_ms"]),
        "fps": round((decoded - before.get("frames_decoded", 0)) / watched_s, 1),
        "frames_decoded": decoded,
        "frames_dropped": after.get("frames_dropped", 0),
        "freezes": after.get("freeze_count", 0),
        "state": after["state"],
    }


async def _click(page: Page, name: str) -> None:
    """Press the mouse on the camera's row."""
    await page.click(f'button.camera[data-gw="{GATEWAY}"][data-cam="{name}"]')


def _print_line(fields: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")
    sys.stdout.flush()
