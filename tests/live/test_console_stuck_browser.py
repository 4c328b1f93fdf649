"""A browser that connects and never reads is cut off; others are served."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from gateway.console.browser_session import BrowserSession
from gateway.runtime.clock import SystemClock
from gateway.runtime.log_limit import RateLimitedLog
from tests.fixtures.clock import HANG_S
from tests.fixtures.tcp import web_server

pytestmark = pytest.mark.live

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Endless:
    """A queue that always has something to send, and signalling that nobody uses."""

    overflowed = False
    viewer = "v-1"

    async def next_message(self) -> str:
        await asyncio.sleep(0)
        return "x" * 65_536

    def close(self) -> None:
        """Nothing is open."""


class Server:
    """Serves browsers with as much as they take."""

    def __init__(self) -> None:
        self.stuck = RateLimitedLog("console", "browser_stuck", clock=SystemClock())
        self.transports: list[asyncio.Transport] = []
        self.port = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        assert isinstance(request.transport, asyncio.Transport)
        self.transports.append(request.transport)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        queue = Endless()
        session = BrowserSession(
            ws,
            queue,  # type: ignore[arg-type]
            queue,  # type: ignore[arg-type]
            clock=SystemClock(),
            tick=lambda: "",
            stuck=self.stuck,
            abort=request.transport.abort,
            send_s=0.5,
        )
        await session.run()
        return ws


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """On loopback."""
    made, app = Server(), web.Application()
    app.router.add_get("/ws", made.serve)
    async with web_server(app) as made.port:
        yield made


async def test_who_never_reads_is_cut_off_and_others_are_not(server: Server) -> None:
    """Its socket is free at once: closing it in order would wait for it to read, for ever."""
    loop = asyncio.get_running_loop()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.setblocking(False)
        await loop.sock_connect(silent, ("127.0.0.1", server.port))
        await loop.sock_sendall(silent, HANDSHAKE)
        async with (
            ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{server.port}/ws") as reader,
            asyncio.timeout(HANG_S),
        ):
            while not server.stuck.total:
                await reader.receive()
            while server.transports[0].get_extra_info("socket").fileno() != -1:
                await reader.receive()

            assert not reader.closed
            assert server.stuck.total == 1
