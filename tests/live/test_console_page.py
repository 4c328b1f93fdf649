"""The operators' page in Chromium, on a real broker, with a gateway that is scripted."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from gateway.console.server import wall_ms
from gateway.model.alarm import Alarm
from gateway.model.health import CameraHealth
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.mqtt import topic_tree
from gateway.mqtt.topics import Topics
from tests.fixtures.broker import Broker
from tests.fixtures.browser import Window
from tests.fixtures.console import TOPICS, ScriptedGateway, open_page, run_console

pytestmark = pytest.mark.live

ROW = "button.camera[data-cam=c01]"
TILE = ".tile[data-cam=c01]"


async def test_sites_and_cameras_appear_with_their_state(
    window: Window, gateway: ScriptedGateway
) -> None:
    """Name, place, province, state; and nothing on the page complains."""
    page = window.page

    gateway.publish_online()

    row = page.locator(ROW)
    await expect(row).to_have_attribute("data-st", "on")
    await expect(row).to_have_attribute("data-gw", TOPICS.gateway)
    await expect(row).to_contain_text("Quầy Đăng ký đất đai")
    await expect(row).to_contain_text("Trực tuyến")
    await expect(page.locator(".site-line")).to_contain_text("Bắc Ninh")
    await expect(page.locator("#broker")).to_have_attribute("data-state", "on")
    await expect(page.locator("#clock")).to_have_text(
        re.compile(r"^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$")
    )
    assert window.complaints == []


async def test_names_that_steer_are_shown_escaped(window: Window, gateway: ScriptedGateway) -> None:
    """A gateway chooses its names: what it cannot choose is how the line reads."""
    steering = "ghi\u202egpj.exe\u2066\x1b[2J\x9b"
    shown = r"ghi\u202egpj.exe\u2066\u001b[2J\u009b"

    gateway.publish_online(steering, {"c01": steering})
    await window.page.locator(ROW).click()

    for place in (".site", ROW, TILE):
        await expect(window.page.locator(place)).to_contain_text(shown)
    text = await window.page.locator("body").inner_text()
    assert not set("\u202e\u2066\x1b\x9b") & set(text)
    labels = await window.page.eval_on_selector_all(
        "[aria-label], [title]",
        "all => all.map(each => each.title + each.getAttribute('aria-label')).join()",
    )
    assert "\u202e" not in labels
    assert shown in labels
    named = window.page.get_by_text(shown, exact=True).first
    await expect(named).to_have_attribute("dir", "auto")


async def test_a_broken_camera_says_why_and_what_to_do(
    window: Window, gateway: ScriptedGateway
) -> None:
    """The reason's own sentences, the attempts and the next try."""
    gateway.publish_online()
    health = CameraHealth("c01", "off", Reason.AUTH_FAILED, 90.0, attempts=3, again_in_s=1_500.0)

    gateway.publish_camera(health)

    row = window.page.locator(ROW)
    await expect(row).to_have_attribute("data-st", "off")
    for part in (
        WORDING[Reason.AUTH_FAILED].vi,
        WORDING[Reason.AUTH_FAILED].vi_todo,
        "đã thử 3 lần",
        "thử lại sau 2",
    ):
        await expect(row).to_contain_text(part)


async def test_a_camera_that_works_says_what_to_change_at_it(
    window: Window, gateway: ScriptedGateway
) -> None:
    """On, with its figures, and without trouble: advice, and an alarm about its clock."""
    gateway.publish_online()
    advised = (Reason.PICTURE_INTERLACED, Reason.PICTURE_ASPECT)
    health = CameraHealth(
        "c01", "on", Reason.OK, 90.0, codec="h264", width=704, height=576, advice=advised
    )
    clock = Alarm(
        key="cam.c01.clock",
        id="1",
        raised=True,
        severity="minor",
        since_ms=wall_ms() - 94_000,
        cause=Reason.CAMERA_TIME_ZONE,
        arguments={"cam": "c01", "clk_s": 3600},
    )
    loop = replace(
        clock,
        key="cam.c02.picture",
        severity="warning",
        cause=Reason.PICTURE_LOOP,
        arguments={"cam": "c02"},
    )

    gateway.publish_camera(health)
    gateway.publish_alarm(clock)
    gateway.publish_alarm(loop)

    row, first = window.page.locator(ROW), window.page.locator(".alarm").nth(0)
    for reason in advised:
        await expect(row).to_contain_text(WORDING[reason].vi)
        await expect(row).to_contain_text(WORDING[reason].vi_todo)
    await expect(first).to_contain_text(WORDING[Reason.CAMERA_TIME_ZONE].vi + " (nhanh 1 giờ)")
    await expect(first).to_contain_text(WORDING[Reason.CAMERA_TIME_ZONE].vi_todo)
    await expect(window.page.locator(".alarm").nth(1)).to_contain_text(
        WORDING[Reason.PICTURE_LOOP].vi
    )
    assert window.complaints == []


async def test_open_alarms_say_what_and_what_to_do(
    window: Window, gateway: ScriptedGateway
) -> None:
    """One for the recorder, with what it explains; gone from the page when it is cleared."""
    gateway.publish_online()
    began_ms = wall_ms() - 94_000
    recorder = Alarm(
        key="nvr.nvr1.down",
        id="1",
        raised=True,
        severity="critical",
        since_ms=began_ms,
        cause=Reason.RECORDER_DOWN,
        arguments={"nvr": "nvr1", "cams": 2},
    )
    hot = replace(
        recorder,
        key="host.temp",
        severity="major",
        cause=Reason.OVERHEATED,
        arguments={"value": 84.2},
        flapping=True,
    )
    gateway.publish_alarm(recorder)
    gateway.publish_alarm(
        replace(recorder, key="cam.c01.down", cause=Reason.TIMEOUT, parent=recorder.key)
    )
    gateway.publish_alarm(hot)

    first, second = (window.page.locator(".alarm").nth(number) for number in range(2))
    await expect(window.page.locator(".alarm")).to_have_count(2)
    for part in (
        "Khẩn cấp",
        "Đầu ghi nvr1: " + WORDING[Reason.RECORDER_DOWN].vi,
        WORDING[Reason.RECORDER_DOWN].vi_todo,
        re.compile(r"cách đây \d+ phút"),
        "kéo theo 1 cảnh báo khác",
    ):
        await expect(first).to_contain_text(part)
    fact = f"{WORDING[Reason.OVERHEATED].vi} ({WORDING[Reason.FLAPPING].vi})"
    await expect(second).to_contain_text(f"Thiết bị tại điểm (84.2 °C): {fact}")
    await window.page.get_by_role("button", name="English").click()
    await expect(first).to_contain_text("Recorder nvr1: " + WORDING[Reason.RECORDER_DOWN].en)
    gateway.publish_alarm(replace(hot, raised=False))
    await expect(window.page.locator(".alarm")).to_have_count(1)
    assert window.complaints == []


async def test_a_hijacked_site_blinds_nobody(
    window: Window, gateway: ScriptedGateway, page_url: str, chromium: Browser
) -> None:
    """Impossible numbers, and a namesake in another province: each site keeps its own row."""
    page = window.page
    gateway.publish_online()
    await expect(page.locator(ROW)).to_have_attribute("data-st", "on")
    namesake = Topics("01", TOPICS.gateway)
    presence = b'{"st":"online","ep":5,"t":1764000000000}'
    state = b'{"t":1,"ep":5,"n":2,"id":"c01","st":"off","why":"TIMEOUT","since_s":%s}'

    gateway.publish_raw(topic_tree.PRESENCE, namesake.presence, presence)
    for number in (b"1e308", b"1e20"):
        gateway.publish_raw(topic_tree.CAMERA_STATE, namesake.camera_state("c01"), state % number)

    again = await open_page(chromium, page_url)
    for each in (page, again.page):
        await expect(each.locator(".site")).to_have_count(2)
        await expect(each.locator(".site[data-prov='01']")).to_contain_text("Báo cáo không hợp lệ")
        await expect(each.locator(".site[data-prov='24']")).to_have_attribute("data-st", "on")
        await expect(each.locator(ROW)).to_contain_text("Quầy Đăng ký đất đai")
    gateway.publish_camera(CameraHealth("c01", "off", Reason.STALLED, 1.0))
    await expect(page.locator(ROW)).to_have_attribute("data-st", "off")
    assert window.complaints == again.complaints == []


async def test_a_vanished_site_is_shown_and_a_late_will_is_not(
    window: Window, gateway: ScriptedGateway
) -> None:
    """Offline at once; back with the new connection; the old one's will changes nothing."""
    site = window.page.locator(".site")
    gateway.publish_online()
    await expect(site).to_have_attribute("data-st", "on")

    gateway.publish_will()
    await expect(site).to_have_attribute("data-st", "off")
    await expect(window.page.locator(ROW)).to_have_attribute("data-st", "unk")
    old = gateway.epoch
    gateway.epoch += 1
    gateway.publish_online()
    await expect(site).to_have_attribute("data-st", "on")
    gateway.publish_will(old)
    gateway.publish_camera(CameraHealth("c02", "off", Reason.STALLED, 1.0))

    await expect(window.page.locator("[data-cam=c02]")).to_have_attribute("data-st", "off")
    await expect(site).to_have_attribute("data-st", "on")


async def test_a_refusal_is_shown_with_words(window: Window, gateway: ScriptedGateway) -> None:
    """A codec that cannot be played: what it is, what to do, and a way to try again."""
    gateway.publish_online()
    await window.page.click(ROW)

    gateway.publish_refusal(await gateway.next_offer(), 488, Reason.UNSUPPORTED_CODEC)

    tile = window.page.locator(TILE)
    await expect(tile).to_have_attribute("data-state", "refused")
    await expect(tile).to_contain_text("Trình duyệt không xem được chuẩn nén")
    await expect(tile).to_contain_text(WORDING[Reason.UNSUPPORTED_CODEC].vi_todo)
    await tile.get_by_role("button", name="Thử lại ngay").click()
    assert (await gateway.next_offer()).camera == "c01"


async def test_a_site_that_is_not_ready_is_asked_again(
    window: Window, gateway: ScriptedGateway
) -> None:
    """480 is no last word: the tile offers again by itself, with a session of its own."""
    gateway.publish_online()
    await window.page.click(ROW)

    first = await gateway.next_offer()
    gateway.publish_refusal(first, 480, Reason.UNREACHABLE)
    second = await gateway.next_offer()

    assert second.camera == first.camera
    assert second.key.viewer == first.key.viewer
    assert second.key.session != first.key.session


async def test_an_offer_is_a_real_one_and_closing_says_bye(
    window: Window, gateway: ScriptedGateway
) -> None:
    """Receive-only video; the cross on the tile ends the session at the gateway."""
    gateway.publish_online()
    await window.page.click(ROW)
    offer = await gateway.next_offer()

    await window.page.click(f"{TILE} .tile-close")
    bye = await gateway.next_bye()

    assert "a=recvonly" in offer.sdp
    assert "m=video" in offer.sdp
    assert bye.key == offer.key
    await expect(window.page.locator(TILE)).to_have_count(0)
    assert window.complaints == []


async def test_a_browser_that_goes_says_bye(window: Window, gateway: ScriptedGateway) -> None:
    """The window is closed: the server ends its sessions."""
    gateway.publish_online()
    await window.page.click(ROW)
    offer = await gateway.next_offer()

    await window.page.close()

    assert (await gateway.next_bye()).key == offer.key


async def test_the_language_is_switched_and_remembered(
    window: Window, gateway: ScriptedGateway
) -> None:
    """English at once, and still after a reload."""
    page = window.page
    gateway.publish_online()
    await expect(page.locator("h1")).to_contain_text("Trung tâm Điều hành")

    await page.get_by_role("button", name="English").click()
    await expect(page.locator(ROW)).to_contain_text("Online")
    await page.reload()

    await expect(page.locator(ROW)).to_contain_text("Online")
    await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_search_does_not_need_an_input_method(
    window: Window, gateway: ScriptedGateway
) -> None:
    """`dang ky dat` finds `Đăng ký đất`."""
    gateway.publish_online()
    await expect(window.page.locator(".camera")).to_have_count(2)

    await window.page.fill("#search", "dang ky dat")

    await expect(window.page.locator(".camera")).to_have_count(1)
    await expect(window.page.locator(ROW)).to_be_visible()


async def test_a_broker_that_goes_is_told_since_when(window: Window, broker: Broker) -> None:
    """A banner with the time; it goes when the broker is back."""
    await expect(window.page.locator("#broker")).to_have_attribute("data-state", "on")
    banner = window.page.locator("#banner")

    broker.stop()
    await expect(banner).to_contain_text(re.compile(r"mất kết nối từ \d\d:\d\d:\d\d"))
    await broker.start()

    await expect(banner).to_be_hidden()


async def test_a_server_that_goes_is_told_and_found_again(
    chromium: Browser, broker: Broker, gateway: ScriptedGateway
) -> None:
    """The page says so, and shows everything anew once a server is there again."""
    async with run_console(broker) as url:
        window = await open_page(chromium, url)
        gateway.publish_online()
        await expect(window.page.locator(ROW)).to_have_attribute("data-st", "on")
    banner = window.page.locator("#banner")
    await expect(banner).to_contain_text("Mất kết nối với máy chủ")

    async with run_console(broker, port=urlsplit(url).port or 0):
        gateway.publish_camera(CameraHealth("c02", "off", Reason.STALLED, 1.0))

        await expect(window.page.locator("[data-cam=c02]")).to_have_attribute("data-st", "off")
        await expect(banner).to_be_hidden()


async def test_pictures_and_keys(window: Window, gateway: ScriptedGateway) -> None:
    """Enlarged by a click, back by Escape; W hides the list; `Xem tất cả` opens all."""
    page = window.page
    gateway.publish_online()

    await page.click(".watch-all")
    await expect(page.locator(".tile")).to_have_count(2)
    await page.click(f"{TILE} .face")
    await expect(page.locator(".tile.enlarged")).to_have_attribute("data-cam", "c01")
    await page.keyboard.press("Escape")
    await expect(page.locator(".tile.enlarged")).to_have_count(0)
    await page.keyboard.press("w")

    await expect(page.locator("nav.side")).to_be_hidden()


async def test_open_pictures_open_again_after_a_reload(
    window: Window, gateway: ScriptedGateway
) -> None:
    """A wall that is reloaded shows what it showed; what was closed stays closed."""
    page = window.page
    gateway.publish_online()
    await page.click(".watch-all")
    await page.click("[data-cam=c02] .tile-close")

    await page.reload()

    await expect(page.locator(TILE)).to_have_count(1)
    await expect(page.locator(".tile")).to_have_count(1)
