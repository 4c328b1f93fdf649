"""HTTP server of the metrics page: ``GET /metrics`` on 127.0.0.1.

A request has at most 4 kB and 5 s, and the connection ends with the response. A Host that is not
this machine's is refused: any web page could read the metrics through the browser of somebody
logged in here (DNS rebinding).

Source: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import structlog

from gateway.model.names import is_loopback
from gateway.runtime.bugs import report_bug
from gateway.runtime.tcp_server import close_server

REQUEST_BYTES = 4096
"""Largest request; Prometheus sends some 300 bytes."""

CONNECTION_S = 5.0
"""How long a connection may last."""

MAX_CONNECTIONS = 8
"""Connections at once."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_END = b"\r\n\r\n"

log = structlog.get_logger(__name__)


class MetricsServer:
    """Serves the page.

    Args:
        page: Returns it.
        port: On 127.0.0.1; None: nothing is served.
    """

    def __init__(self, page: Callable[[], bytes], *, port: int | None) -> None:
        self._page = page
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        """Serve until cancelled; without a port, or with one that is taken, return (and log it)."""
        if self._port is None:
            return
        try:
            server = await asyncio.start_server(
                self._serve, "127.0.0.1", self._port, limit=REQUEST_BYTES
            )
        except OSError as error:
            log.error("metrics_server_failed", port=self._port, detail=error.strerror)
            return
        log.info("metrics_served", url=f"http://127.0.0.1:{self._port}/metrics")
        try:
            await asyncio.Event().wait()
        finally:
            await close_server(server)
            for writer in self._open:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                async with asyncio.timeout(CONNECTION_S):
                    writer.write(await self._read_and_handle(reader))
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _read_and_handle(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await reader.readuntil(_END)
        except asyncio.LimitOverrunError:
            return _response("431 Request Header Fields Too Large")
        return handle_request(request, self._page)


def handle_request(request: bytes, page: Callable[[], bytes]) -> bytes:
    """Return the response to *request*, which ends with an empty line."""
    head, *fields = request.removesuffix(_END).decode("latin-1").split("\r\n")
    method, _, rest = head.partition(" ")
    target, _, version = rest.partition(" ")
    if not version.startswith("HTTP/1."):
        return _response("400 Bad Request")
    hosts = [value.strip() for name, _, value in map(_split, fields) if name.lower() == "host"]
    if len(hosts) != 1 or not _is_this_machine(hosts[0]):
        return _response("421 Misdirected Request")
    if target.partition("?")[0] != "/metrics":
        return _response("404 Not Found")
    if method != "GET":
        return _response("405 Method Not Allowed", "Allow: GET\r\n")
    try:
        return _response("200 OK", body=page())
    except Exception as error:  # ends this request only
        report_bug("report", error, "metrics")
        return _response("500 Internal Server Error")


def _split(field: str) -> tuple[str, str, str]:
    return field.partition(":")


def _is_this_machine(authority: str) -> bool:
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return False
    bare = parts.username is None and not (parts.path or parts.query or parts.fragment)
    return bare and is_loopback(parts.hostname or "")


def _response(status: str, more: str = "", body: bytes = b"") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{more}"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
