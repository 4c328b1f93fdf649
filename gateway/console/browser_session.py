"""One browser's WebSocket: greets it, tells it the sites, takes its signalling.

Ends when the browser goes, speaks out of turn or does not read; its sessions end with it.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.console.messages import parse_browser_message
from gateway.console.send_queue import SendQueue
from gateway.console.signalling import BrowserSignalling

SEND_S = 10.0
"""A browser that does not take a message for so long is gone."""

MESSAGES_PER_S = 50.0
BURST = 400.0
"""A wall of 16 pictures opened at once sends about 100 messages."""

log = structlog.get_logger(__name__)


class BrowserSession:
    """Runs one connection.

    Args:
        socket: Prepared; closed by the caller.
        calls: This browser's sessions.
        outbox: What it is to be told.
    """

    def __init__(
        self, socket: web.WebSocketResponse, signalling: BrowserSignalling, queue: SendQueue
    ) -> None:
        self._socket = socket
        self._signalling = signalling
        self._queue = queue
        self._allowance = BURST
        self._asked_s = 0.0

    async def run(self) -> None:
        """Serve until the browser is gone; every session it had has been said bye to."""
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._write(), name=f"write:{self._signalling.viewer}")
                try:
                    await self._read(group)
                finally:
                    writing.cancel()
                    self._signalling.close()
        finally:
            log.info("browser_left", viewer=self._signalling.viewer)

    async def _read(self, group: asyncio.TaskGroup) -> None:
        async for received in self._socket:
            if received.type is not WSMsgType.TEXT or not self._is_calm():
                await self._refuse("not text, or too much of it")
                return
            message = parse_browser_message(received.data)
            if message is None:
                await self._refuse("not a message of ours")
                return
            self._signalling.handle_browser_message(message, group)

    async def _write(self) -> None:
        try:
            while not self._queue.overflowed:
                text = await self._queue.next_message()
                async with asyncio.timeout(SEND_S):
                    await self._socket.send_str(text)
        except (TimeoutError, ConnectionError):
            log.info("browser_stuck", viewer=self._signalling.viewer)
        await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER, drain=False)

    async def _refuse(self, why: str) -> None:
        log.warning("browser_refused", viewer=self._signalling.viewer, why=why)
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)

    def _is_calm(self) -> bool:
        """Whether the browser keeps to `MESSAGES_PER_S`, with `BURST` in hand."""
        now_s = asyncio.get_running_loop().time()
        self._allowance = min(BURST, self._allowance + (now_s - self._asked_s) * MESSAGES_PER_S)
        self._asked_s = now_s
        self._allowance -= 1
        return self._allowance >= 0
