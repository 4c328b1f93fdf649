"""Bounds the TCP connections of the HTTP server, so that nobody can use up the descriptors.

A connection on which no request is in work waits for one. When all places are taken, the one that
waits longest is closed for the newcomer: whoever opens connections and says half a request, or
none, crowds out himself first. Half a request ends after `REQUEST_S` in any case.
"""

from __future__ import annotations

import asyncio
import resource

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.ports import Clock
from gateway.runtime.log_limit import RateLimitedLog

REQUEST_S = 15.0
"""Within this time of the connection, or of the last answer, the next request must be complete."""

MAX_CONNECTIONS = 512
"""Most connections: 64 browsers with seven each, and some to spare."""

RESERVED_DESCRIPTORS = 64
"""Descriptors that connections of browsers do not use: the broker, files, the program itself."""


def affordable_connections() -> int:
    """Return how many connections this process may hold: at most `MAX_CONNECTIONS`, at least 1."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, limit - RESERVED_DESCRIPTORS))


class ConnectionLimit:
    """Makes the protocol of each new connection of one server.

    Args:
        most: See `affordable_connections`.
        clock: For the log.
    """

    def __init__(self, most: int, *, clock: Clock) -> None:
        self._most = most
        self._busy: set[web.RequestHandler] = set()
        self._closed = RateLimitedLog("http", "connection_closed", clock=clock)

    def accept(self, server: web.Server) -> asyncio.Protocol:
        """Return the protocol of a new connection, for which another may have to go."""
        open_connections = server.connections
        if len(open_connections) >= self._most:
            waiting = [each for each in open_connections if each not in self._busy]
            for each in waiting[: len(open_connections) - self._most + 1]:
                self._closed.count("too many connections")
                each.force_close()
            if not waiting:
                self._closed.count("too many connections, all in use")
                return _Refusing()
        return server()

    @web.middleware
    async def mark_busy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep the connection of *request* open until it has been handled."""
        self._busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy.discard(request.protocol)


class _Refusing(asyncio.Protocol):
    """Closes its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
