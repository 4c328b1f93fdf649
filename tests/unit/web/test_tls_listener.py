"""Nobody keeps others out of a TLS server by saying nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.runtime.clock import SystemClock
from gateway.setup.certificate import PageTls, make_tls
from gateway.web.tls_listener import OF_ALL, OF_ONE, listening
from tests.fixtures.clock import HANG_S


class Echo(asyncio.Protocol):
    """Says back what it hears, and ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


@pytest.fixture(scope="module")
def tls() -> PageTls:
    return make_tls(("127.0.0.1",))


@asynccontextmanager
async def serving(tls: PageTls, handshake_s: float = HANG_S) -> AsyncIterator[int]:
    """Serve echoes on loopback; gives the port."""
    async with (
        asyncio.TaskGroup() as group,
        listening(
            "127.0.0.1",
            0,
            Echo,
            tls.context,
            handshake_s=handshake_s,
            clock=SystemClock(),
            group=group,
        ) as port,
    ):
        yield port


async def echoed(port: int) -> bytes:
    """Return what is heard of a word that is said."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.write(b"chao")
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def silent(
    stack: AsyncExitStack, port: int, count: int, hosts: int = 1
) -> list[asyncio.StreamReader]:
    """Return connections, of so many addresses in turn, on which nothing is said."""
    readers = []
    for number in range(count):
        here = (f"127.7.0.{number % hosts + 1}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=here)
        stack.callback(writer.close)
        readers.append(reader)
    return readers


@pytest.mark.parametrize(
    ("hosts", "most"), [(1, OF_ONE), (OF_ALL, OF_ALL)], ids=["one address", "many"]
)
async def test_of_silent_connections_the_oldest_go(tls: PageTls, hosts: int, most: int) -> None:
    """So many stay as may; whoever comes then is served at once."""
    async with serving(tls) as port, AsyncExitStack() as stack, asyncio.timeout(HANG_S):
        readers = await silent(stack, port, 3 * most, hosts)
        assert [await each.read() for each in readers[: 2 * most]] == [b""] * (2 * most)

        assert await echoed(port) == b"chao"


async def test_a_handshake_has_its_time(tls: PageTls) -> None:
    """Then its connection is closed."""
    async with serving(tls, 0.1) as port, AsyncExitStack() as stack, asyncio.timeout(HANG_S):
        (reader,) = await silent(stack, port, 1)

        assert await reader.read() == b""


async def test_what_is_no_tls_ends_its_own_connection(tls: PageTls) -> None:
    """And no other."""
    async with serving(tls) as port, asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
        assert b"HTTP" not in await reader.read()
        writer.close()

        assert await echoed(port) == b"chao"


async def test_at_its_end_nobody_waits(tls: PageTls) -> None:
    """Those whose handshake is not done are closed, and the port is free."""
    async with AsyncExitStack() as stack, asyncio.timeout(HANG_S):
        async with serving(tls) as port:
            (reader,) = await silent(stack, port, 1)
            assert await echoed(port) == b"chao"
        assert await reader.read() == b""

        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
