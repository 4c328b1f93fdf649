"""A box is set up in Chromium, from an empty document to a camera that is watched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.config.check import check_files
from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.runtime.redact import Redactor
from tests.fixtures.broker import Broker
from tests.fixtures.browser import Window
from tests.fixtures.clock import HANG_S
from tests.fixtures.setup_page import make_service, open_page
from tests.fixtures.site import Site, site

pytestmark = pytest.mark.live

PASSWORD = ACCOUNT.password.get_secret_value()
EMPTY = (7, 12)
"""Inputs of the recorder to which no camera is connected."""

LIVE = 16 - len(EMPTY)


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
    """Fill in the recorder's address and account, once; the rest it tells itself."""
    await page.locator("#enrol [data-go=account]").click()
    await page.fill("#host", host)
    await page.fill("#username", ACCOUNT.username)
    await page.fill("#password", PASSWORD)
    await page.locator("#device-form .main-button").click()


async def name_cameras(page: Page) -> None:
    """Tick every channel with a picture and name it; the first as the fixtures watch it."""
    await expect(page.locator("#channels .card img")).to_have_count(LIVE)
    await expect(page.locator("#busy")).to_be_hidden()
    for number in EMPTY:
        card = page.locator(f'.card[data-key="nvr1.{number}"]')
        await expect(card).to_contain_text(WORDING[Reason.NO_SIGNAL].vi)
    await expect(page.locator('[data-key="nvr1.3"] [data-field=name]')).to_have_value("Camera 03")
    await page.click("#tick-all")
    await expect(page.locator("#chosen-count")).to_contain_text(str(LIVE))
    await page.fill('[data-key="nvr1.1"] [data-field=name]', "C00")
    await page.fill('[data-key="nvr1.3"] [data-field=name]', "Quầy 3")
    await page.fill('[data-key="nvr1.3"] [data-field=place]', "Tầng 1")


async def save_and_restart(page: Page) -> None:
    """Save what was tested, have the service restarted, close the page."""
    await page.locator("#test [data-go=save]").click()
    await expect(page.locator("#changes li")).to_have_count(LIVE)
    await page.click("#save-button")
    await expect(page.locator("#save-state")).to_contain_text("Đã lưu")
    await page.click("#restart-button")
    await expect(page.locator("#restart-state")).to_contain_text("đã khởi động lại")
    await page.locator("#save [data-act=finish]").click()
    await expect(page.locator("#over")).to_be_visible()


async def test_an_empty_box_becomes_cameras_that_are_watched(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """Code, account once, pictures, names, test, save, restart; and the daemon relays."""
    async with (
        ScriptedRecorder(video=True, unplugged=EMPTY) as device,
        site(tmp_path, broker, ()) as running,
    ):
        (tmp_path / "site.json").unlink()
        settings = tmp_path / "gateway.toml"
        settings.write_text(
            settings.read_text().replace("ports = []", f"ports = {list(device.ports)}")
        )
        service = make_service(tmp_path / "gateway.toml", restart=lambda: restart(running))
        async with open_page(service) as opened:
            window = await open_window(chromium, f"{opened.url}/#{opened.access.code}")
            page = window.page

            await give_recorder(page, device.host)
            await name_cameras(page)
            await page.locator("#choose-form .main-button").click()
            await expect(page.locator("#test-summary")).to_contain_text(f"{LIVE} trong {LIVE}")
            await expect(page.locator("#test-list li")).to_have_count(LIVE)
            await save_and_restart(page)

            assert await opened.closed == "done"
            assert window.complaints == []
            assert PASSWORD not in await page.content()
        assert (device.counts.logins, device.counts.refused) == (1, 0)
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
