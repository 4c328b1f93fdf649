"""Accepts TLS connections, with a bound on those whose handshake is not done.

Until then a server does not know of a connection, so that `ConnectionLimit` cannot count it; each
costs a descriptor and 256 kB of buffers. When there are too many, of one address or of all, the one
that has waited longest goes: whoever says nothing crowds out himself first.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from gateway.ports import Clock
from gateway.runtime.log_limit import RateLimitedLog

OF_ONE, OF_ALL = 16, 64
"""Handshakes at once: of one address, which may be that of a whole office, and of all."""

BACKLOG = 128
PAUSE_S = 1.0
"""After an accept that has failed: there are no descriptors left."""


@asynccontextmanager
async def listening(
    address: str,
    port: int,
    accept: Callable[[], asyncio.BaseProtocol],
    context: ssl.SSLContext,
    *,
    handshake_s: float,
    clock: Clock,
    group: asyncio.TaskGroup,
) -> AsyncIterator[int]:
    """Accept connections within; gives the port. Connections that were made stay open at the end.

    Args:
        address: IP address to listen on.
        port: 0: a free one.
        accept: Returns the protocol of a connection whose handshake is done.
        context: Of TLS.
        handshake_s: How long a handshake may take.
        clock: Monotonic.
        group: Of the handshakes, which are ended at the end.

    Raises:
        OSError: It cannot be listened there.
    """
    version = ipaddress.ip_address(address).version
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=BACKLOG) as listener:
        listener.setblocking(False)
        accepting = _Accepting(listener, accept, context, handshake_s, clock)
        accepting.begin(group)
        try:
            yield listener.getsockname()[1]
        finally:
            accepting.end()


class _Accepting:
    """The handshakes of one listener."""

    def __init__(
        self,
        listener: socket.socket,
        accept: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        handshake_s: float,
        clock: Clock,
    ) -> None:
        self._listener, self._accept = listener, accept
        self._context, self._handshake_s = context, handshake_s
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Task[bool], str] = {}  # the longest first
        self._again: asyncio.TimerHandle | None = None
        self._closed = RateLimitedLog("http", "handshake_crowded_out", clock=clock)
        self._failed = RateLimitedLog("http", "accept_failed", clock=clock)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Accept from now on."""
        self._loop.add_reader(self._listener, self._on_connection, group)

    def end(self) -> None:
        """Accept nobody any more, and end all handshakes."""
        self._loop.remove_reader(self._listener)
        if self._again is not None:
            self._again.cancel()
        for task in self._waiting:
            task.cancel()

    def _on_connection(self, group: asyncio.TaskGroup) -> None:
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # it has gone meanwhile
            return
        except OSError as error:  # there are no descriptors
            self._failed.count(str(error))
            self._loop.remove_reader(self._listener)
            self._again = self._loop.call_later(PAUSE_S, self.begin, group)
            return
        connection.setblocking(False)
        client = str(address[0])
        self._close_oldest(client)
        task = group.create_task(self._handshake(connection), name="handshake")
        self._waiting[task] = client
        task.add_done_callback(partial(self._note_end, connection))

    def _note_end(self, connection: socket.socket, task: asyncio.Task[bool]) -> None:
        self._waiting.pop(task, None)
        if task.cancelled() or not task.result():  # it may have been cancelled before it began
            connection.close()

    def _close_oldest(self, client: str) -> None:
        own = [task for task, who in self._waiting.items() if who == client]
        longest = own if len(own) >= OF_ONE else list(self._waiting)
        if len(own) >= OF_ONE or len(longest) >= OF_ALL:
            self._closed.count(client)
            self._waiting.pop(longest[0])
            longest[0].cancel()

    async def _handshake(self, connection: socket.socket) -> bool:
        """Return whether *connection* has come to its protocol, which has it from then on."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._accept,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_s,
            )
        except OSError:  # ssl.SSLError, and what ends a connection, are such
            return False
        return True
