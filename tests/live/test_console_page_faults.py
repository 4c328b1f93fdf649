"""The operators' page when the server hangs, the browser refuses, or a part of the page breaks."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.fixtures.broker import Broker
from tests.fixtures.browser import Window
from tests.fixtures.clock import HANG_S
from tests.fixtures.console import ScriptedGateway, open_page, run_console
from tests.fixtures.console_process import console_with
from tests.fixtures.country import COMMUNES, country

pytestmark = pytest.mark.live

ROW = "button.camera[data-cam=c01]"
DENY_STORAGE = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, {
    get() { throw new DOMException("denied", "SecurityError"); },
  });
"""
COUNT_WRITES = """
window.writes = 0;
new MutationObserver((records) => { window.writes += records.length; }).observe(
  document.querySelector(".body"),
  {subtree: true, childList: true, attributes: true, characterData: true});
"""


async def new_page(chromium: Browser, script: str = "", **options: Any) -> Page:
    """Return a page of a new context, which runs *script* before the page's own."""
    context: BrowserContext = await chromium.new_context(**options)
    if script:
        await context.add_init_script(script)
    page = await context.new_page()
    page.set_default_timeout(HANG_S * 1000)
    return page


async def test_a_server_that_hangs_is_told_since_when(
    chromium: Browser, broker: Broker, tmp_path: Path
) -> None:
    """Stopped, it looks healthy to TCP; after 15 s all it has told is grey, until it is back."""
    async with console_with(1024, broker, tmp_path) as console:
        page = (await open_page(chromium, console.url)).page
        await expect(page.locator("#broker")).to_have_attribute("data-state", "on")
        await expect(page.locator("html[data-stale]")).to_have_count(0)

        console.process.send_signal(signal.SIGSTOP)
        await expect(page.locator("html[data-stale]")).to_have_count(1)
        banner = page.locator("#banner")
        await expect(banner).to_contain_text(
            re.compile(r"Mất kết nối với máy chủ trung tâm từ \d\d:\d\d:\d\d")
        )
        assert "grayscale" in await page.locator(".side").evaluate(
            "element => getComputedStyle(element).filter"
        )
        console.process.send_signal(signal.SIGCONT)

        await expect(page.locator("html[data-stale]")).to_have_count(0)
        await expect(banner).to_be_hidden()


async def test_texts_that_fail_once_come_later(
    chromium: Browser, page_url: str, gateway: ScriptedGateway
) -> None:
    """The page starts without them, says so, and shows them once they are there."""
    page = await new_page(chromium)
    failed = False

    async def fail_once(route: Route) -> None:
        nonlocal failed
        if failed:
            await route.continue_()
        else:
            failed = True
            await route.fulfill(status=503, body="busy")

    await page.route("**/wording.json", fail_once)
    await page.goto(page_url)
    gateway.publish_online()

    await expect(page.locator(ROW)).to_be_visible()
    await expect(page.locator("#notices")).to_be_empty()
    assert failed


async def test_texts_that_never_come_are_told(chromium: Browser, page_url: str) -> None:
    """With a sentence, while it goes on trying."""
    page = await new_page(chromium)
    await page.route("**/wording.json", lambda route: route.abort())

    await page.goto(page_url)

    await expect(page.locator("#notices")).to_contain_text("Chưa tải được phần giải thích")
    await expect(page.locator("#broker")).to_have_attribute("data-state", "on")


async def test_a_browser_that_stores_nothing_shows_the_page(
    chromium: Browser, page_url: str, gateway: ScriptedGateway
) -> None:
    """With a sentence; language and layout can be chosen, for this page."""
    page = await new_page(chromium, DENY_STORAGE)
    await page.goto(page_url)
    gateway.publish_online()

    await expect(page.locator(ROW)).to_be_visible()
    await expect(page.locator("#notices")).to_contain_text("Trình duyệt không cho lưu")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("#notices")).to_contain_text("does not let us store")
    await expect(page.locator("#fault")).to_be_hidden()


@pytest.mark.parametrize("stored", ["{", "null", '"x"', "[[1,2]]", '[["24/bacninh-01"]]'])
async def test_a_corrupt_memory_is_told_and_forgotten(
    chromium: Browser, page_url: str, gateway: ScriptedGateway, stored: str
) -> None:
    """The page starts; what was open has to be opened again."""
    script = f"sessionStorage.setItem('camera-gateway.tiles', {stored!r})"
    page = await new_page(chromium, script)
    await page.goto(page_url)
    gateway.publish_online()

    await expect(page.locator(ROW)).to_be_visible()
    await expect(page.locator("#notices")).to_contain_text("Không đọc được các hình đã mở")
    await page.click(ROW)
    await expect(page.locator(".tile")).to_have_count(1)


async def test_a_browser_without_webrtc_shows_the_list(
    chromium: Browser, page_url: str, gateway: ScriptedGateway
) -> None:
    """A click says what is missing and what to use instead."""
    page = await new_page(chromium, "delete window.RTCPeerConnection")
    await page.goto(page_url)
    gateway.publish_online()

    await expect(page.locator("#notices")).to_contain_text("không có WebRTC")
    await page.click(ROW)

    await expect(page.locator(".tile")).to_have_attribute("data-state", "refused")
    await expect(page.locator(".tile")).to_contain_text("Chrome, Edge hoặc Firefox")


@pytest.mark.parametrize("module", ["site-list.js", "app.js", "translations.js"])
async def test_a_module_that_does_not_load_is_told_with_a_way_on(
    chromium: Browser, page_url: str, module: str
) -> None:
    """In both languages, with a link that loads the page again."""
    page = await new_page(chromium)
    await page.route(f"**/{module}", lambda route: route.abort())

    await page.goto(page_url)

    fault = page.locator("#fault")
    await expect(fault).to_contain_text("Trang không khởi động được")
    await expect(fault).to_contain_text("The page could not start")
    await page.unroute(f"**/{module}")
    await fault.get_by_role("link").click()
    await expect(page.locator("h1")).to_contain_text("Trung tâm Điều hành")
    await expect(fault).to_be_hidden()


async def test_a_page_without_any_script_has_a_sentence_and_a_link(
    chromium: Browser, page_url: str
) -> None:
    """Nothing but the HTML has come."""
    page = await new_page(chromium)
    await page.route("**/*.js", lambda route: route.abort())

    await page.goto(page_url)

    await expect(page.locator("#start")).to_contain_text("tải lại trang")
    await expect(page.locator("#start a").first).to_be_visible()


async def test_an_error_in_the_page_is_told_and_the_rest_goes_on(
    chromium: Browser, page_url: str, gateway: ScriptedGateway
) -> None:
    """An exception and a rejection; the bar can be put away."""
    page = await new_page(chromium)
    await page.goto(page_url)
    gateway.publish_online()
    await expect(page.locator(ROW)).to_be_visible()

    await page.evaluate("setTimeout(() => { throw new Error('in a module') })")
    await expect(page.locator("#fault")).to_contain_text("Trang gặp lỗi")
    await expect(page.locator("#fault")).to_contain_text("in a module")
    await page.click("#fault-close")
    await expect(page.locator("#fault")).to_be_hidden()
    await page.evaluate("void Promise.reject(new Error('nobody waits'))")
    await expect(page.locator("#fault")).to_contain_text("nobody waits")

    await page.fill("#search", "phong cho")
    await expect(page.locator(".camera")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 1366, 1920])
async def test_the_page_is_as_wide_as_the_screen(
    chromium: Browser, broker: Broker, width: int
) -> None:
    """Also with pictures open; nothing is to be scrolled sideways."""
    async with run_console(broker, heard=country(50, cameras=20)) as url:
        page = await new_page(chromium, viewport={"width": width, "height": 844})
        await page.goto(url)
        await page.locator(".watch-all").first.click()
        await expect(page.locator(".tile")).to_have_count(16)
        await expect(page.locator(".pager")).to_contain_text("Trang 1/2")

        scrolled, seen = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )

    assert scrolled <= seen == width


@pytest.mark.parametrize("cameras", [1, 16])
@pytest.mark.parametrize("forced_colors", ["active", "none"])
@pytest.mark.parametrize("width", [390, 1366, 1920])
async def test_a_tile_of_any_size_tells_its_level(
    chromium: Browser, broker: Broker, width: int, forced_colors: str, cameras: int
) -> None:
    """In whole, in the tile, over nothing written there, nor over the picture and its time."""
    async with run_console(broker, heard=country(1, cameras=cameras)) as url:
        page = await new_page(
            chromium, viewport={"width": width, "height": 844}, forced_colors=forced_colors
        )
        await page.goto(url)
        await page.locator(".watch-all").first.click()
        await expect(page.locator(".tile")).to_have_count(cameras)

        told = await page.locator(".tile").first.evaluate(
            """(tile) => {
              tile.dataset.state = "live";
              tile.querySelector(".badge").textContent = "Trực tiếp";
              tile.querySelector(".figures").textContent = "H264 · 1280×720 · 25 fps · 1.5 Mb/s";
              const level = tile.querySelector(".level");
              level.textContent = "chỉ khung hình chính";
              const box = level.getBoundingClientRect(), around = tile.getBoundingClientRect();
              const others = [".badge", ".tile-name", ".figures", ".tile-close", ".picture"];
              const apart = others.every((each) => {
                const other = tile.querySelector(each).getBoundingClientRect();
                return box.right <= other.left || other.right <= box.left
                  || box.bottom <= other.top || other.bottom <= box.top;
              });
              return [box.width > 0 && level.scrollWidth <= level.clientWidth,
                      box.left >= around.left && box.right <= around.right
                        && box.top >= around.top && box.bottom <= around.bottom,
                      apart];
            }"""
        )

    assert told == [True, True, True]


async def test_forced_colours_are_those_of_all_that_is_written_in_the_list(
    chromium: Browser, broker: Broker
) -> None:
    """The lines of a camera that is watched, and what stands in the empty search field."""
    async with run_console(broker, heard=country(1, cameras=2)) as url:
        page = await new_page(chromium, forced_colors="active")
        await page.goto(url)
        await page.locator(".watch-all").first.click()
        await expect(page.locator('.camera[aria-pressed="true"]')).to_have_count(2)

        written = await page.evaluate(
            """() => {
              const colour = (element, part) => getComputedStyle(element, part).color;
              const texts = [...document.querySelectorAll(".camera-text > *")];
              const field = document.querySelector(".search-panel input");
              const probe = document.body.appendChild(document.createElement("p"));
              const system = ["CanvasText", "ButtonText", "FieldText"].map((name) => {
                probe.style.color = name;
                return colour(probe);
              });
              const placeholder = colour(field, "::placeholder");
              const used = [...texts.map((each) => colour(each)), placeholder];
              return used.filter((each) => !system.includes(each));
            }"""
        )

    assert written == []


async def test_forced_colours_leave_the_states_their_shapes(
    chromium: Browser, broker: Broker
) -> None:
    """Each dot is drawn in a colour of the system, which is not that of the ground."""
    async with run_console(broker, heard=country(200)) as url:
        page = await new_page(chromium, forced_colors="active")
        await page.goto(url)
        await expect(page.locator(".site").first).to_be_visible()

        drawn = await page.locator(".dot, .indicator").evaluate_all(
            """(dots) => dots.map((dot) => {
              const drawn = getComputedStyle(dot, dot.matches(".dot") ? null : "::before");
              const ground = getComputedStyle(document.body).backgroundColor;
              const border = drawn.borderTopWidth === "0px" ? ground : drawn.borderTopColor;
              return [drawn.backgroundColor, border].some(
                (colour) => colour !== ground && colour !== "rgba(0, 0, 0, 0)");
            })"""
        )

    assert drawn
    assert all(drawn)


async def writes_of(chromium: Browser, broker: Broker, sites: int) -> tuple[int, int, int]:
    """Return the elements of a page with so many sites, and its writes at rest and in a search."""
    async with run_console(broker, heard=country(sites)) as url:
        page = await new_page(chromium, viewport={"width": 1366, "height": 768})
        await page.goto(url)
        await expect(page.locator("#summary")).to_contain_text(f"{sites} điểm")
        await page.evaluate(COUNT_WRITES)
        for _ in range(3):
            said = await page.locator("#clock").text_content()
            await expect(page.locator("#clock")).not_to_have_text(said or "")
        idle = await page.evaluate("window.writes")
        await page.locator("#search").press_sequentially("kinh bac")
        await expect(page.locator(".site-name").first).to_contain_text("Kinh Bắc")
        searched = await page.evaluate("window.writes")
        elements = await page.evaluate("document.querySelectorAll('*').length")
        await page.context.close()
    return elements, idle, searched - idle


async def test_the_work_of_the_page_does_not_grow_with_the_country(
    chromium: Browser, broker: Broker
) -> None:
    """Elements, writes at rest and writes of a typed search: 300 sites and 3,321 are alike."""
    few = await writes_of(chromium, broker, 300)
    all_of_them = await writes_of(chromium, broker, COMMUNES)

    assert all_of_them[0] < 2_000
    for small, large in zip(few, all_of_them, strict=True):
        assert large <= 2 * small + 100, (few, all_of_them)


async def test_the_end_of_the_list_can_be_reached(chromium: Browser, broker: Broker) -> None:
    """By scrolling; the rows there are drawn, and what is seen does not jump."""
    async with run_console(broker, heard=country(COMMUNES)) as url:
        page = await new_page(chromium, viewport={"width": 1366, "height": 768})
        await page.goto(url)
        await expect(page.locator("#summary")).to_contain_text(f"{COMMUNES} điểm")

        # Rows are measured as they are drawn, and the end moves: scroll until the last is seen.
        await page.wait_for_function(
            """count => {
                const list = document.querySelector("#site-list");
                list.scrollTop = list.scrollHeight;
                const last = document.querySelector(`.site[aria-posinset='${count}']`);
                if (last === null) return false;
                const row = last.getBoundingClientRect(), seen = list.getBoundingClientRect();
                return row.top < seen.bottom && row.bottom > seen.top;
            }""",
            arg=COMMUNES,
        )


async def test_all_of_32_cameras_are_two_pages(chromium: Browser, broker: Broker) -> None:
    """Sixteen at once; the others behind the arrow, none is thrown away."""
    async with run_console(broker, heard=country(1, cameras=32)) as url:
        window: Window = await open_page(chromium, url)
        page = window.page
        await page.click(".watch-all")
        await expect(page.locator(".tile")).to_have_count(16)
        await expect(page.locator(".tile").first).to_have_attribute("data-cam", "c01")

        await page.get_by_role("button", name="Trang sau").click()

        await expect(page.locator(".tile")).to_have_count(16)
        await expect(page.locator(".tile").first).to_have_attribute("data-cam", "c17")
        await expect(page.locator(".pager")).to_contain_text("Trang 2/2")
        assert window.complaints == []
