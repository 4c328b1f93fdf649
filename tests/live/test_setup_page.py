"""A box is set up in Chromium, from an empty document to a camera that is watched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.config.check import check_files
from gateway.runtime.redact import Redactor
from tests.fixtures.broker import Broker
from tests.fixtures.browser import Window
from tests.fixtures.camera import ACCOUNT
from tests.fixtures.clock import HANG_S
from tests.fixtures.setup_page import CHANNELS, EMPTY, RTSP_PORT, make_service, open_page, recorder
from tests.fixtures.site import Site, site

pytestmark = pytest.mark.live

PASSWORD = ACCOUNT.password.get_secret_value()


async def open_window(chromium: Browser, url: str) -> Window:
    """Return a phone's window that shows *url*, whose certificate it takes."""
    context = await chromium.new_context(
        viewport={"width": 390, "height": 844}, ignore_https_errors=True
    )
    page = await context.new_page()
    page.set_default_timeout(HANG_S * 1000)
    window = Window(page)
    window.record_complaints()
    await page.goto(url)
    return window


async def give_recorder(page: Page, host: str) -> None:
    """Fill in the recorder's account, once."""
    await page.locator("#enrol [data-go=account]").click()
    await page.fill("#host", host)
    await page.select_option("#maker", "hikvision")
    await page.fill("#channel-count", str(CHANNELS))
    await page.fill("#username", ACCOUNT.username)
    await page.fill("#password", PASSWORD)
    await page.locator("#device-form summary").click()
    await page.fill("#port", str(RTSP_PORT))
    await page.locator("#device-form .main-button").click()


async def name_cameras(page: Page) -> None:
    """Tick every channel with a picture and name it; the first as the fixtures watch it."""
    await expect(page.locator("#channels .card img")).to_have_count(CHANNELS - len(EMPTY))
    await expect(page.locator("#busy")).to_be_hidden()
    for number in EMPTY:
        card = page.locator(f'.card[data-key="nvr1.{number}"]')
        await expect(card).to_contain_text("Không tìm thấy kênh")
    await page.click("#tick-all")
    await expect(page.locator("#chosen-count")).to_contain_text(str(CHANNELS - len(EMPTY)))
    for number in range(1, CHANNELS + 1):
        if number not in EMPTY:
            name = "C00" if number == 1 else f"Quầy {number}"
            await page.fill(f'.card[data-key="nvr1.{number}"] [data-field=name]', name)
    await page.fill('.card[data-key="nvr1.3"] [data-field=place]', "Tầng 1")


async def test_an_empty_box_becomes_cameras_that_are_watched(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """Code, account once, pictures, names, test, save, restart; and the daemon relays."""
    async with recorder() as device, site(tmp_path, broker, ()) as running:
        (tmp_path / "site.json").unlink()
        service = make_service(tmp_path / "gateway.toml", restart=lambda: restart(running))
        async with open_page(service) as opened:
            window = await open_window(chromium, f"{opened.url}/#{opened.access.code}")
            page = window.page

            await give_recorder(page, device.host)
            await name_cameras(page)
            await page.locator("#choose-form .main-button").click()
            await expect(page.locator("#test-summary")).to_contain_text("14 trong 14")
            await expect(page.locator("#advice-rows")).to_contain_text("Tốc độ khung hình")
            await page.locator("#test [data-go=save]").click()
            await expect(page.locator("#changes li")).to_have_count(14)
            await page.click("#save-button")
            await expect(page.locator("#save-state")).to_contain_text("Đã lưu")
            await page.click("#restart-button")
            await expect(page.locator("#restart-state")).to_contain_text("đã khởi động lại")
            await page.locator("#save [data-act=finish]").click()
            await expect(page.locator("#over")).to_be_visible()

            assert await opened.closed == "done"
            assert window.complaints == []
            assert PASSWORD not in await page.content()
        assert sum(each.counts.refused_logins for each in device.cameras) == 0
        assert check_files((tmp_path / "gateway.toml",), redactor=Redactor()).faults == ()
        document = json.loads((tmp_path / "site.json").read_text())
        assert {each["id"] for each in document["cameras"]} >= {"c00", "quay3"}

        viewer = await running.watch(0)

        assert viewer.packets
        assert PASSWORD not in "".join(running.output)


async def restart(running: Site) -> None:
    """Do what systemd does."""
    await running.terminate()
    await running.start_again()
