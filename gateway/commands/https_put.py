"""Uploads by HTTPS PUT, only to hosts that this machine's settings name.

One PUT on one connection. No redirect is followed; of the response only the status is read. The URL
may hold a signature that grants the upload, so it is never sent on or logged.

Sources: RFC 9110 sections 9.3.4 (PUT) and 15.2 (interim responses), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.model.errors import TransientError, refuse
from gateway.model.reasons import Reason
from gateway.runtime.resolver import addresses_of

CONNECT_S = 5.0
PUT_S = 12.0
HEAD_BYTES = 4096

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r\n)")
_ADDRESS = re.compile(r"[!-~]{1,2048}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to upload to."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


class HttpsPut:
    """Uploads to allowed hosts.

    Args:
        hosts: ``host``, or ``host:port`` where that is not 443.
        ca_file: Certificate authority of those hosts; None: the system's.
    """

    def __init__(self, hosts: tuple[str, ...], ca_file: Path | None) -> None:
        self._hosts = frozenset(each.lower() for each in hosts)
        self._ca_file = ca_file

    def parse_url(self, url: str) -> Target:
        """Return where *url* leads to. Raises MessageRejected if that is not allowed."""
        at = "/args/put_url"
        if not _ADDRESS.fullmatch(url) or "\\" in url:
            refuse("url.control", "it may hold printable ASCII only, no spaces", at)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 443
        except ValueError:
            refuse("url.host", "it names no host", at)
        if parts.scheme != "https":
            refuse("url.scheme", "it must begin with https://", at)
        if "@" in parts.netloc or parts.fragment:
            refuse("url.userinfo", "it may hold neither a user nor a #", at)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        found = Target(host, port, path)
        if found.authority not in self._hosts:
            refuse("url.host", "its host is not among [commands] upload_hosts", at)
        return found

    async def put(self, url: str, content: bytes, content_type: str) -> int:
        """PUT *content* and return the HTTP status, 200 to 599.

        Raises:
            MessageRejected: Uploads to *url* are not allowed.
            TransientError: The host is unreachable, cannot be verified, is too slow or does not
                speak HTTP.
        """
        target = self.parse_url(url)
        try:
            async with asyncio.timeout(PUT_S):
                return await self._put(target, content, content_type)
        except TimeoutError:
            raise TransientError(Reason.TIMEOUT, f"{target.authority} takes too long") from None
        except ssl.SSLError as error:
            detail = f"{target.authority}: {error.reason or error}"
            raise TransientError(Reason.TLS_FAILED, detail) from None
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            detail = f"{target.authority}: {getattr(error, 'strerror', None) or 'hangs up'}"
            raise TransientError(Reason.UNREACHABLE, detail) from None

    async def _put(self, target: Target, content: bytes, content_type: str) -> int:
        context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
        async with asyncio.timeout(CONNECT_S):
            address = str((await addresses_of(target.host))[0])
            reader, writer = await asyncio.open_connection(
                address,
                target.port,
                ssl=context,
                server_hostname=target.host,
                limit=HEAD_BYTES,
            )
        try:
            head = (
                f"PUT {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n"
                f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n"
                "Connection: close\r\n\r\n"
            )
            writer.write(head.encode("ascii") + content)
            await writer.drain()
            while (status := await _status(reader, target)) < 200:  # an interim response
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
            return status
        finally:
            writer.transport.abort()


async def _status(reader: asyncio.StreamReader, target: Target) -> int:
    match = _STATUS.match(await reader.readuntil(b"\r\n"))
    if match is None:
        raise TransientError(Reason.CORRUPT, f"{target.authority} does not speak HTTP")
    return int(match[1])
