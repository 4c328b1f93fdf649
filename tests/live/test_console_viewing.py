"""Real pictures on the operators' page: virtual cameras, the real gateway, Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.fixtures.broker import Broker
from tests.fixtures.browser import Window
from tests.fixtures.console import issuing, open_page, run_console
from tests.fixtures.site import OWN, Site, cameras, site, tree

pytestmark = pytest.mark.live

Watched = tuple[Site, Window]

_LATE_TO_TELL = """() => Object.defineProperty(
    RTCPeerConnection.prototype, "connectionState", { get: () => "connecting" })"""

_DECODED_MORE = """async ([cam, before]) => (await window.cameraGateway.stats())
    .some(each => each.cam === cam && each.frames_decoded > before)"""


@pytest.fixture
async def watched(tmp_path: Path, broker: Broker, chromium: Browser) -> AsyncIterator[Watched]:
    """A site of two cameras that are kept warm, both on the wall and live."""
    async with (
        site(tmp_path, broker, cameras(2), keep="warm") as running,
        run_console(broker, viewing=issuing(tmp_path)) as url,
    ):
        window = await open_page(chromium, url)
        for camera in ("c00", "c01"):
            row = window.page.locator(f"button.camera[data-cam={camera}]")
            await expect(row).to_have_attribute("data-st", "on")
            await row.click()
        await live(window, "c00")
        await live(window, "c01")
        yield running, window
        await window.page.context.close()


async def live(window: Window, camera: str) -> None:
    tile = window.page.locator(f".tile[data-cam={camera}]")
    await expect(tile).to_have_attribute("data-state", "live")


async def plays_on(window: Window, camera: str) -> None:
    """Return once the browser has decoded more pictures of *camera* than until now."""
    before = (await stats(window))[camera]["frames_decoded"]
    await window.page.wait_for_function(_DECODED_MORE, arg=[camera, before])


async def stats(window: Window) -> dict[str, Any]:
    counted = await window.page.evaluate("cameraGateway.stats()")
    return {each["cam"]: each for each in counted}


async def test_a_camera_that_dies_is_marked_and_comes_back_by_itself(watched: Watched) -> None:
    """Marked with time and reason, back without a click, the neighbour untouched."""
    running, window = watched
    tile = window.page.locator(".tile[data-cam=c00]")

    running.recorders[0].kill()
    await expect(tile).to_have_attribute("data-state", "lost")
    await expect(tile).to_contain_text("Mất tín hiệu camera từ")
    await expect(tile).to_contain_text("Camera từ chối kết nối")
    await running.recorders[0].open_port()
    await live(window, "c00")
    await plays_on(window, "c01")

    counted = await stats(window)
    assert counted["c00"]["losses"] >= 1
    assert counted["c01"]["reconnects"] == 0
    assert running.camera(1).counts.sessions_ever == 1
    assert window.complaints == []


async def test_what_a_check_reads_is_measured(watched: Watched) -> None:
    """From the click, in order; and the picture runs."""
    _, window = watched

    for counted in (await stats(window)).values():
        assert 0 < counted["connected_ms"] <= counted["first_frame_ms"]
        assert counted["frames_decoded"] > 0
        assert (counted["width"], counted["height"], counted["codec"]) == (320, 180, "H264")


async def test_the_first_frame_proves_the_connection(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """A busy browser shows a picture before it says that it is connected."""
    async with (
        site(tmp_path, broker, cameras(1), keep="warm"),
        run_console(broker, viewing=issuing(tmp_path)) as url,
    ):
        window = await open_page(chromium, url)
        await window.page.evaluate(_LATE_TO_TELL)
        row = window.page.locator("button.camera[data-cam=c00]")
        await expect(row).to_have_attribute("data-st", "on")
        await row.click()
        await live(window, "c00")
        counted = await stats(window)
        await window.page.context.close()

    assert 0 < counted["c00"]["connected_ms"] <= counted["c00"]["first_frame_ms"]


async def test_a_viewing_goes_on_after_the_console_was_away(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """The server says bye for its browsers; back again, the tile asks anew without a click."""
    async with site(tmp_path, broker, cameras(1), keep="warm"):
        viewing = issuing(tmp_path)
        async with run_console(broker, viewing=viewing) as url:
            window = await open_page(chromium, url)
            row = window.page.locator("button.camera[data-cam=c00]")
            await expect(row).to_have_attribute("data-st", "on")
            await row.click()
            await live(window, "c00")
        tile = window.page.locator(".tile[data-cam=c00]")
        await expect(tile).to_have_attribute("data-state", "lost")

        port = int(url.rstrip("/").rpartition(":")[2])
        async with run_console(broker, port=port, viewing=viewing):
            await live(window, "c00")
            counted = await stats(window)
            await window.page.context.close()

    assert counted["c00"]["reconnects"] >= 1


async def test_the_picture_comes_with_a_token_of_the_person(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """The gateway requires one, and its events name whoever the console's settings name."""
    async with (
        site(tmp_path, broker, cameras(1), keep="warm") as running,
        run_console(broker, viewing=issuing(tmp_path)) as url,
    ):
        window = await open_page(chromium, url)
        await window.page.locator("button.camera[data-cam=c00]").click()
        await live(window, "c00")
        event = await running.until(
            lambda message: message.topic == OWN.event and tree(message)["type"] == "session"
        )
        await window.page.context.close()

    assert (tree(event)["actor"], tree(event)["actor_src"]) == ("người trực", "settings")


async def test_without_a_token_the_page_says_why(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """A console without a key sends none; the gateway refuses, and the tile does not try on."""
    async with site(tmp_path, broker, cameras(1), keep="warm"), run_console(broker) as url:
        window = await open_page(chromium, url)
        await window.page.locator("button.camera[data-cam=c00]").click()
        tile = window.page.locator(".tile[data-cam=c00]")
        await expect(tile).to_have_attribute("data-state", "refused")
        await expect(tile).to_contain_text("Không có quyền xem camera này")
        await window.page.context.close()


async def test_a_revoked_person_loses_the_picture_and_is_told_why(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """The tile asks anew by itself, and is refused."""
    async with (
        site(tmp_path, broker, cameras(1), keep="warm") as running,
        run_console(broker, viewing=issuing(tmp_path)) as url,
    ):
        window = await open_page(chromium, url)
        await window.page.locator("button.camera[data-cam=c00]").click()
        await live(window, "c00")
        await running.revoke("người trực")
        tile = window.page.locator(".tile[data-cam=c00]")
        await expect(tile).to_have_attribute("data-state", "refused")
        await expect(tile).to_contain_text("Quyền xem của bạn đã bị thu hồi")
        await window.page.context.close()
