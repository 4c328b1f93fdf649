"""One browser's WebSocket: sends it the sites, receives its signalling.

It ends when the browser disconnects, sends something invalid or too much, or does not read. Its
viewing sessions end with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.console.messages import parse_browser_message
from gateway.console.send_queue import SendQueue
from gateway.console.signalling import BrowserSignalling
from gateway.ports import Clock
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import TokenBucket

SEND_S = 10.0
"""A browser that does not accept a message within this time is disconnected."""

TICK_S = 5.0
"""After this time without anything else to say the browser is told the time, so that it can tell a
server that has nothing to say from one that hangs."""

MESSAGES_PER_MIN = 3_000.0
BURST = 400.0
"""A browser may send so many messages. A wall of 16 pictures opened at once sends about 100."""

_TAKEN = (WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG)

log = structlog.get_logger(__name__)


class BrowserSession:
    """Serves one connection.

    Args:
        socket: Prepared, without ``autoping``, so that control frames are counted here; closed by
            the caller.
        signalling: Of this browser.
        queue: Messages for this browser.
        clock: Monotonic, for the rate limit.
        tick: Returns the message that is sent every *tick_s* without another.
        stuck: Counts browsers that do not read.
        abort: Ends the connection at once; what has not been sent is dropped.
        tick_s: See `TICK_S`.
        send_s: See `SEND_S`.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        signalling: BrowserSignalling,
        queue: SendQueue,
        *,
        clock: Clock,
        tick: Callable[[], str],
        stuck: RateLimitedLog,
        abort: Callable[[], None],
        tick_s: float = TICK_S,
        send_s: float = SEND_S,
    ) -> None:
        self._socket = socket
        self._signalling = signalling
        self._queue = queue
        self._tick = tick
        self._stuck = stuck
        self._abort = abort
        self._tick_s = tick_s
        self._send_s = send_s
        self._bucket = TokenBucket(MESSAGES_PER_MIN, BURST, clock=clock)

    async def run(self) -> None:
        """Serve until the browser is gone; its viewing sessions are closed when this returns."""
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
            if received.type not in _TAKEN or not self._bucket.try_acquire():
                await self._refuse("not text, or too much of it")
                return
            if received.type is WSMsgType.PING:
                await self._socket.pong(received.data)
            if received.type is not WSMsgType.TEXT:
                continue
            message = parse_browser_message(received.data)
            if message is None:
                await self._refuse("not a valid message")
                return
            self._signalling.handle_browser_message(message, group)

    async def _write(self) -> None:
        try:
            while not self._queue.overflowed:
                text = await self._next_message()
                async with asyncio.timeout(self._send_s):
                    await self._socket.send_str(text)
        except ConnectionError:
            return  # it is gone, which the reading side finds out
        except TimeoutError:
            # Closed in order, its socket would stay until the browser reads: for ever.
            self._stuck.count(self._signalling.viewer)
            self._abort()
            return
        await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER, drain=False)
        self._abort()  # it has had its time to answer

    async def _next_message(self) -> str:
        try:
            async with asyncio.timeout(self._tick_s):
                return await self._queue.next_message()
        except TimeoutError:
            return self._tick()

    async def _refuse(self, why: str) -> None:
        log.warning("browser_refused", viewer=self._signalling.viewer, why=why)
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)
