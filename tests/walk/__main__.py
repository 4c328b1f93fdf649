"""Walks the installer's way and says how long it took: ``scripts/install-walk``.

Prints one JSON line for each step. Exit code 0: the centre shows the pictures, in time; 1: not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from gateway.demo.browser_check import ARGUMENTS, CHROMIUM
from gateway.demo.scripted_recorder import ACCOUNT
from tests.fixtures.setup_browser import (
    find_devices,
    give_account,
    name_cameras,
    nobody,
    open_phone,
    save_and_restart,
    watch,
)
from tests.walk.box import Box, booted, fresh_root
from tests.walk.centre import NAME, Centre, running_centre
from tests.walk.devices import CAMERA_ACCOUNT, EMPTY
from tests.walk.documented import INSTALL, centre_of, quick_commands, with_code
from tests.walk.network import CAMERA, LAN, RECORDER, make_lan, plug_in

LIVE = 16 - len(EMPTY) + 1
MOST_S = 15 * 60


class Walk:
    """The way so far."""

    def __init__(self, screens: Path | None) -> None:
        self._began_s = time.perf_counter()
        self._screens = screens
        self.look = self._save if screens is not None else nobody

    @property
    def took_s(self) -> float:
        """How long the installer is at it."""
        return time.perf_counter() - self._began_s

    def tell(self, step: str, **facts: object) -> None:
        """Print that *step* is done."""
        line = {"step": step, "at_s": round(self.took_s, 1)} | facts
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    async def _save(self, page: Page, name: str) -> None:
        assert self._screens is not None
        self._screens.mkdir(parents=True, exist_ok=True)
        was = page.viewport_size
        for width, height in ((390, 844), (1366, 768)):
            await page.set_viewport_size({"width": width, "height": height})
            for look in ("light", "dark", "forced"):
                await page.emulate_media(
                    color_scheme="dark" if look == "dark" else "light",
                    forced_colors="active" if look == "forced" else "none",
                )
                path = self._screens / f"{name}-{width}-{look}.png"
                await page.screenshot(path=path, full_page=True)
        await page.emulate_media(color_scheme="light", forced_colors="none")
        if was is not None:
            await page.set_viewport_size(was)


@asynccontextmanager
async def device(kind: str, address: str) -> AsyncIterator[None]:
    """A device of the site at *address*."""
    inside = plug_in(kind, address)
    process = await asyncio.create_subprocess_exec(
        *(*inside, sys.executable, "-m", "tests.walk.devices", kind, address), stdout=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"there\n"
        yield
    finally:
        process.kill()
        await process.wait()


async def install(box: Box, command: str, walk: Walk) -> None:
    """Type a command that ends by itself."""
    terminal = await box.type(command)
    code = await terminal.wait()
    walk.tell("typed", command=command, exit_code=code)
    assert code == 0, terminal.said[-2000:]


async def set_up(box: Box, command: str, browser: Browser, walk: Walk) -> None:
    """Type the command that opens the page, and go through that."""
    terminal = await box.type(command)
    url = (await terminal.until(r"https://\S+")).group()
    code = (await terminal.until(r"Mã · Code:\s+(\S+)")).group(1)
    walk.tell("typed", command=command, page=url)
    window = await open_phone(browser, f"{url}#{code}")
    page = window.page
    await page.locator("#network-list button", has_text=f"{LAN}.0/24").click()
    await find_devices(page, 2)
    await walk.look(page, "recorder")
    await give_account(page, RECORDER, ACCOUNT, LIVE - 1)
    await page.locator("#channels [data-go=account]").click()
    await give_account(page, CAMERA, CAMERA_ACCOUNT, LIVE)
    walk.tell("found", cameras=LIVE)
    await name_cameras(page, LIVE, look=walk.look)
    walk.tell("tested")
    await save_and_restart(page, LIVE, look=walk.look)
    code_of_page = await terminal.wait()
    assert code_of_page == 0, terminal.said[-2000:]
    assert window.complaints == [], window.complaints
    walk.tell("saved, restarted, closed")


async def see(centre: Centre, browser: Browser, walk: Walk) -> None:
    """See the site and two cameras at the centre."""
    context = await browser.new_context(viewport={"width": 1366, "height": 768})
    window = await open_phone(browser, centre.page)
    await context.close()
    await watch(window, NAME, (("quay3", "Quầy 3"), ("congvao", "Cổng vào")))
    await walk.look(window.page, "centre")
    walk.tell("seen at the centre", site=NAME)


async def walk_through(deb: Path, screens: Path | None) -> None:
    """Go the whole way."""
    commands = quick_commands(INSTALL.read_text())
    address, port = centre_of(commands)
    root = await asyncio.to_thread(fresh_root)
    make_lan(address)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="install-walk-")))
        await stack.enter_async_context(device("recorder", RECORDER))
        await stack.enter_async_context(device("camera", CAMERA))
        centre = await stack.enter_async_context(running_centre(folder, address, port))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        stack.push_async_callback(browser.close)
        box = await stack.enter_async_context(booted(root, deb, folder / "box.log"))
        walk = Walk(screens)  # a fresh Debian is there, and the package in the installer's home
        for command in commands:
            typed = with_code(command, centre.code)
            if command.endswith("camera-gateway setup"):
                await set_up(box, typed, browser, walk)
                await see(centre, browser, walk)
            else:
                await install(box, typed, walk)
        walk.tell("done", commands=len(commands), within_s=MOST_S)
        if walk.took_s > MOST_S:
            raise AssertionError(f"{walk.took_s:.0f} s are more than {MOST_S}")


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/install-walk", description=__doc__)
    parser.add_argument("deb", type=Path, help="The package.")
    parser.add_argument("--screens", type=Path, help="Folder for a picture of each screen.")
    asked = parser.parse_args()
    try:
        asyncio.run(walk_through(asked.deb.resolve(), asked.screens))
    except (AssertionError, RuntimeError, ValueError, TimeoutError) as error:
        sys.stderr.write(f"install-walk: {error or type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
