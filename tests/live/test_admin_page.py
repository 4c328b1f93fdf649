"""The administrator's page in a real browser: a link, a code that enrols a box, revocation."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import BrowserContext, expect

from gateway.centre.enrolment.admin_access import AdminAccess
from gateway.enrolment.client import trusting
from tests.fixtures.browser import Window
from tests.fixtures.enrolment import EnrolmentCentre, enrolled, make_box, make_centre, serving

pytestmark = pytest.mark.live


async def opened(window: Window, url: str) -> tuple[BrowserContext, Window]:
    """Open *url* in a context of its own that takes the centre's certificate."""
    browser = window.page.context.browser
    assert browser is not None
    context = await browser.new_context(
        viewport={"width": 390, "height": 844}, ignore_https_errors=True
    )
    fresh = Window(await context.new_page())
    fresh.record_complaints()
    await fresh.page.goto(url)
    return context, fresh


def link(centre: EnrolmentCentre) -> str:
    return f"{centre.url}/admin/#{AdminAccess(centre.registry.engine).make_link()}"


async def test_an_administrator_makes_a_site_and_shuts_it_out(
    window: Window, tmp_path: Path
) -> None:
    """The code that the page shows once enrols a box; revoked, it is shown as such."""
    centre = make_centre(tmp_path / "centre")
    async with serving(centre):
        context, admin = await opened(window, link(centre))
        page = admin.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.fill("input[name=name]", "TTPVHCC tỉnh Bắc Ninh")
        await page.select_option("select[name=province]", "24")
        await page.fill("input[name=id]", "bacninh-ttpvhcc-01")
        await page.click("form button")
        await expect(page.locator("#code-text")).to_be_visible()
        code = await page.locator("#code-text").inner_text()
        await enrolled(centre.url, code, make_box(tmp_path / "box"))
        await page.reload()
        await expect(page.locator("#sites .good")).to_contain_text("Đã đăng ký")
        await expect(page.locator("#code-text")).to_be_empty()

        await page.click("#sites button.danger")

        await expect(page.locator("#sites .bad")).to_contain_text("Đã thu hồi")
        assert centre.registry.revoked_sites() == ["24/bacninh-ttpvhcc-01"]
        assert not admin.complaints
        await context.close()


async def test_a_link_lets_one_browser_in(window: Window, tmp_path: Path) -> None:
    """Whoever comes with it later, or with none, sees no site and is told what to do."""
    centre = make_centre(tmp_path / "centre")
    centre.code()
    async with serving(centre):
        url = link(centre)
        first, admin = await opened(window, url)
        await expect(admin.page.locator("#sites li")).to_have_count(1)
        second, stranger = await opened(window, url)

        await expect(stranger.page.locator("#notice")).to_contain_text("admin-link")
        await expect(stranger.page.locator("#work")).to_be_hidden()
        await first.close()
        await second.close()


async def test_nobody_else_can_use_it(tmp_path: Path) -> None:
    """No session, another page, another name, a huge body: each is refused before it is read."""
    centre = make_centre(tmp_path / "centre")
    site = {"id": "hue-01", "name": "Huế", "province": "46"}
    tls = trusting(centre.authority.root_pem)
    async with (
        serving(centre) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
    ):
        api = f"{url}/admin/api/"
        own = {"Origin": url}
        asked = {
            401: session.post(api + "sites", json=site, headers=own),
            403: session.post(api + "sites", json=site, headers={"Origin": "https://evil.example"}),
            421: session.get(api + "sites", headers={"Host": "evil.example"}),
            413: session.post(api + "session", data=bytes(20_000), headers=own),
        }
        for status, request in asked.items():
            async with request as response:
                assert response.status == status
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert centre.registry.sites() == []
