"""What the console's server lets in, and what its answers carry."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from gateway.web.http_security import HEADERS

pytestmark = pytest.mark.live


async def test_every_answer_carries_the_headers(page_url: str) -> None:
    """Page, script and error alike."""
    async with aiohttp.ClientSession() as client:
        for path in ("", "app.js", "wording.json", "no-such-file"):
            async with client.get(page_url + path) as answer:
                for name, value in HEADERS.items():
                    assert answer.headers[name] == value, path


async def test_files_are_checked_anew_and_not_sent_twice(page_url: str) -> None:
    """`no-cache` with an ETag: 304 while it is the same."""
    async with aiohttp.ClientSession() as client:
        async with client.get(page_url + "app.js") as first:
            tag = first.headers["ETag"]
            assert first.headers["Cache-Control"] == "no-cache"
        async with client.get(page_url + "app.js", headers={"If-None-Match": tag}) as again:
            assert again.status == 304


@pytest.mark.parametrize("path", ["static/app.js", "..%2fserver.py", "app.js%00", "__main__.py"])
async def test_only_the_pages_files_are_served(page_url: str, path: str) -> None:
    """There is no folder behind it."""
    async with aiohttp.ClientSession() as client, client.get(page_url + path) as answer:
        assert answer.status == 404


async def test_a_foreign_host_is_refused(page_url: str) -> None:
    """A name that somebody has pointed at us (DNS rebinding) is not ours."""
    headers = {"Host": "evil.example"}
    async with aiohttp.ClientSession() as client, client.get(page_url, headers=headers) as answer:
        assert answer.status == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "file://"]
)
async def test_a_foreign_page_gets_no_websocket(page_url: str, origin: str) -> None:
    """Nor anybody who does not say where he comes from."""
    headers = {"Origin": origin} if origin else {}
    async with aiohttp.ClientSession() as client:
        with pytest.raises(WSServerHandshakeError) as caught:
            await client.ws_connect(page_url + "ws", headers=headers)

    assert caught.value.status == 403


@pytest.mark.parametrize("said", ["{}", "not json", '{"k":"bye"}', "x" * 60_000])
async def test_who_speaks_out_of_turn_is_sent_away(page_url: str, said: str) -> None:
    """The connection is closed; nothing is answered."""
    origin = f"http://{urlsplit(page_url).netloc}"
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(page_url + "ws", headers={"Origin": origin}) as socket,
    ):
        await socket.send_str(said)
        kinds = [message.type async for message in socket]

    assert WSMsgType.ERROR not in kinds
    assert socket.close_code in (1008, 1009)


async def test_a_flood_is_ended(page_url: str) -> None:
    """Messages of a browser are counted."""
    origin = f"http://{urlsplit(page_url).netloc}"
    bye = '{"k":"bye","sid":"session-1"}'
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(page_url + "ws", headers={"Origin": origin}) as socket,
    ):
        for _ in range(600):
            if socket.closed:
                break
            await socket.send_str(bye)
        async for _ in socket:
            pass

    assert socket.close_code == 1008
