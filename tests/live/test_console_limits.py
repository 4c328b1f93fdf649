"""The console under strangers that hold connections, seats and descriptors."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import WSServerHandshakeError

from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.console import run_console
from tests.fixtures.console_process import console_with

pytestmark = pytest.mark.live


async def half_requests(stack: AsyncExitStack, port: int, count: int) -> None:
    """Try to open so many connections, and say half a request on each."""
    for _ in range(count):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            continue
        stack.callback(writer.close)
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")


async def get_page(port: int) -> int:
    """Return the status of a new client's request."""
    timeout = aiohttp.ClientTimeout(total=HANG_S)
    url = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession(timeout=timeout) as client, client.get(url) as answer:
        await answer.read()
        return answer.status


async def test_half_a_request_ends(broker: Broker) -> None:
    """Whoever does not finish it, or says none, or dribbles, is disconnected."""
    async with run_console(broker, request_s=0.3) as url, AsyncExitStack() as stack:
        readers = []
        for said in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
            stack.callback(writer.close)
            writer.write(said)
            readers.append(reader)

        async with asyncio.timeout(HANG_S):
            assert [await reader.read() for reader in readers] == [b"", b"", b""]


async def test_half_requests_do_not_use_up_the_descriptors(broker: Broker, tmp_path: Path) -> None:
    """1,100 of them at 1,024 descriptors: an honest browser is served, and the process stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        async with console_with(1024, broker, tmp_path) as console, AsyncExitStack() as stack:
            await half_requests(stack, console.port, 1_100)

            assert await get_page(console.port) == 200
            assert console.process.returncode is None
            assert console.events("descriptors_exhausted") == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_console_without_descriptors_does_not_end(broker: Broker, tmp_path: Path) -> None:
    """With 8 to 13 of them, all taken while the broker restarts: it comes back by itself."""
    async with AsyncExitStack() as consoles:
        running = [
            await consoles.enter_async_context(console_with(number, broker, tmp_path))
            for number in range(8, 14)
        ]
        for each in running:
            await each.until_logged("broker_connected", 1)
        async with AsyncExitStack() as stack:
            for each in running:
                await half_requests(stack, each.port, 20)
            broker.stop()
            for each in running:
                await each.until_logged("broker_lost", 1)
            await broker.start()

        for each in running:
            await each.until_logged("broker_connected", 2)
        for each in running[1:]:  # with 8 the broker has the last one
            assert await get_page(each.port) == 200


async def test_one_address_cannot_hold_all_seats(page_url: str) -> None:
    """Sixteen from one address, directly or behind a proxy; another still finds a seat."""
    origin = f"http://{urlsplit(page_url).netloc}"

    def headers(client: str) -> dict[str, str]:
        return {"Origin": origin, "X-Forwarded-For": client}

    async with aiohttp.ClientSession() as client, AsyncExitStack() as stack:
        for _ in range(16):
            await stack.enter_async_context(
                client.ws_connect(page_url + "ws", headers=headers("192.0.2.7"))
            )
        with pytest.raises(WSServerHandshakeError) as caught:
            await client.ws_connect(page_url + "ws", headers=headers("192.0.2.7"))
        async with client.ws_connect(page_url + "ws", headers=headers("192.0.2.8")) as other:
            assert (await other.receive_json())["k"] == "hello"

    assert caught.value.status == 503


async def test_a_silent_server_says_that_it_lives(broker: Broker) -> None:
    """Without news there is a tick with the time, again and again."""
    async with run_console(broker, tick_s=0.05) as url, aiohttp.ClientSession() as client:
        origin = f"http://{urlsplit(url).netloc}"
        async with client.ws_connect(url + "ws", headers={"Origin": origin}) as socket:
            ticks: list[int] = []
            async with asyncio.timeout(HANG_S):
                while len(ticks) < 3:
                    said = await socket.receive_json()
                    if said["k"] == "tick":
                        ticks.append(said["now_ms"])

    assert ticks == sorted(ticks)
