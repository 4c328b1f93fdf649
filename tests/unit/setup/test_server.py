"""What the set-up page's server lets in, and when it ends."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.setup.access import TRIES_OF_ALL, TRIES_OF_ONE
from gateway.setup.server import COOKIE, LARGEST_BODY, MOST_CONNECTIONS
from gateway.web.http_security import HEADERS
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.setup_page import Page, make_service, open_page, write_box


def _trusting() -> ssl.SSLContext:
    """Return TLS settings that take any certificate."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return trusting


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A page that nobody has come into."""
    async with open_page(make_service(write_box(tmp_path))) as page:
        yield page


async def test_who_has_the_code_gets_the_state_and_a_cookie_for_this_page_alone(
    page: Page,
) -> None:
    """Secure, not for scripts, not from other pages."""
    async with page.browser() as browser:
        async with browser.get("/api/state") as before:
            assert await before.json() == {"entered": False}
        async with browser.post("/api/enter", json={"code": page.access.code}) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert (await answer.json())["step"] == "enrol"
        async with browser.get("/api/state") as state:
            assert (await state.json())["gateway"] == "test-box"

    for flag in (f"{COOKIE}=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert flag in cookie


async def test_a_second_browser_is_refused(page: Page) -> None:
    """Also with the right code; the first one goes on."""
    async with page.browser() as first, page.browser() as second:
        async with first.post("/api/enter", json={"code": page.access.code}):
            pass
        async with second.post("/api/enter", json={"code": page.access.code}) as answer:
            assert answer.status == 403
            assert "trình duyệt khác" in (await answer.json())["mistake"]["vi"]
        async with second.post("/api/look", json={}) as answer:
            assert answer.status == 401
        async with first.get("/api/state") as answer:
            assert "step" in await answer.json()


async def test_wrong_codes_are_counted(page: Page) -> None:
    """After five the address is not listened to any more."""
    async with page.browser() as browser:
        for _ in range(TRIES_OF_ONE):
            async with browser.post("/api/enter", json={"code": "AAAA-AAAA"}) as answer:
                assert (await answer.json())["mistake"]["vi"] == "Mã không đúng"
        async with browser.post("/api/enter", json={"code": page.access.code}) as answer:
            assert answer.status == 403
            assert "quá nhiều lần" in (await answer.json())["mistake"]["vi"]


async def test_guessing_from_everywhere_closes_the_page(page: Page) -> None:
    """The terminal says so; the person starts it again."""
    for number in range(TRIES_OF_ALL - 1):
        page.access.enter("AAAA-AAAA", f"10.0.0.{number}")

    async with page.browser() as browser, browser.post("/api/enter", json={"code": "A"}):
        pass

    async with asyncio.timeout(HANG_S):
        assert await page.closed == "shut"


async def test_nobody_from_outside_is_answered(tmp_path: Path) -> None:
    """Not even with the page itself."""
    service = make_service(write_box(tmp_path))
    async with open_page(service, networks=("10.0.0.0/8",)) as page, page.browser() as browser:
        for path in ("/", "/app.js", "/api/state"):
            async with browser.get(path) as answer:
                assert answer.status == 403
                assert "camera" not in await answer.text()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_another_page_cannot_drive_it(page: Page, headers: dict[str, str]) -> None:
    """Neither by a form nor by a script."""
    async with page.browser() as browser:
        async with browser.post("/api/enter", json={"code": page.access.code}):
            pass
        sent = {"Content-Type": "application/json", **headers}
        async with browser.post("/api/finish", data=b"{}", headers=sent) as answer:
            assert answer.status == 403

    assert not page.closed.done()


async def test_a_foreign_name_is_refused(page: Page) -> None:
    """It means DNS rebinding."""
    async with (
        page.browser() as browser,
        browser.get("/", headers={"Host": "camera.example"}) as answer,
    ):
        assert answer.status == 421


async def test_a_body_is_bounded_before_it_is_read(page: Page) -> None:
    """By what it says of itself; who says nothing is refused as well."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"

    json_type = {"Content-Type": "application/json"}
    async with page.browser() as browser:
        async with browser.post("/api/enter", json={"code": "A" * 300}) as answer:
            assert answer.status == 413
        async with browser.post("/api/enter", data=endless(), headers=json_type) as answer:
            assert answer.status == 411
        async with browser.post("/api/enter", json={"code": page.access.code}):
            pass
        large = b" " * (LARGEST_BODY + 1)
        async with browser.post("/api/choose", data=large, headers=json_type) as answer:
            assert answer.status == 413


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("go", '{"step": "everything"}'),
        ("go", '{"step": "enrol", "step": "enrol"}'),
        ("choose", '{"choices": [{"key": "nvr1.1"}]}'),
        ("device", '{"host": "10.0.0.1", "maker": "x", "channels": 1, "password": 5}'),
        ("look", "[" * 100),
        ("look", ""),
    ],
)
async def test_what_is_no_request_is_named_without_its_values(
    page: Page, name: str, body: str
) -> None:
    """And changes nothing."""
    async with page.browser() as browser:
        async with browser.post("/api/enter", json={"code": page.access.code}):
            pass
        headers = {"Content-Type": "application/json"}
        async with browser.post(f"/api/{name}", data=body, headers=headers) as answer:
            assert answer.status == 400
            assert "mistake" in await answer.json()


async def test_half_requests_keep_nobody_out(tmp_path: Path) -> None:
    """Somebody in the same network holds every connection with a body that does not come."""
    service = make_service(write_box(tmp_path))
    async with open_page(service, request_s=0.2) as page, AsyncExitStack() as held:
        host, _, port = page.url.removeprefix("https://").partition(":")
        half = f"POST /api/enter HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {page.url}\r\n"
        half += "Content-Type: application/json\r\nContent-Length: 30\r\n\r\n{"
        readers = []
        for _ in range(MOST_CONNECTIONS):
            reader, writer = await asyncio.open_connection(host, int(port), ssl=_trusting())
            held.callback(writer.close)
            writer.write(half.encode())
            readers.append(reader)
        async with asyncio.timeout(HANG_S):
            answers = [await reader.readline() for reader in readers]
            async with page.browser() as browser, browser.get("/api/state") as state:
                assert await state.json() == {"entered": False}

    assert set(answers) == {b"HTTP/1.1 408 Request Timeout\r\n"}


async def test_every_answer_carries_the_headers(page: Page) -> None:
    """Page, script, error and refusal alike."""
    async with page.browser() as browser:
        for path in ("/", "/app.js", "/nothing", "/picture/nvr1.1"):
            async with browser.get(path) as answer:
                for name, value in HEADERS.items():
                    assert answer.headers[name] == value, path


async def test_the_certificate_is_the_one_of_the_terminal(page: Page) -> None:
    """Its fingerprint stands there, its name is the address."""
    host, port = page.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=_trusting())
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()

    assert reader is not None
    assert hashlib.sha256(found).digest().hex(":").upper() == page.tls.fingerprint


async def test_it_closes_when_its_time_is_over(tmp_path: Path) -> None:
    """By itself, with whoever is in it."""
    clock = FakeClock()
    async with open_page(make_service(write_box(tmp_path)), clock=clock, minutes=60) as page:
        async with asyncio.timeout(HANG_S):
            assert await page.closed == "time"

    assert clock.slept == [3600.0]
