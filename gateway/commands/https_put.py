"""Uploads by HTTPS PUT, only to hosts that this machine's settings name.

One PUT on one connection. No redirect is followed; of the response only the status is read. The URL
may hold a signature that grants the upload, so it is never sent on or logged.

Sources: RFC 9110 sections 9.3.4 (PUT) and 15.2 (interim responses), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.runtime.https_url import HttpsTarget, parse_https_url
from gateway.runtime.resolver import addresses_of

CONNECT_S = 5.0
PUT_S = 12.0
HEAD_BYTES = 4096

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r\n)")


class HttpsPut:
    """Uploads to allowed hosts.

    Args:
        hosts: ``host``, or ``host:port`` where that is not 443.
        ca_file: Certificate authority of those hosts; None: the system's.
    """

    def __init__(self, hosts: tuple[str, ...], ca_file: Path | None) -> None:
        self._hosts = frozenset(each.lower() for each in hosts)
        self._ca_file = ca_file

    def parse_url(self, url: str) -> HttpsTarget:
        """Return where *url* leads to. Raises MessageRejected if that is not allowed."""
        return parse_https_url(
            url, self._hosts, at="/args/put_url", setting="[commands] upload_hosts"
        )

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

    async def _put(self, target: HttpsTarget, content: bytes, content_type: str) -> int:
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


async def _status(reader: asyncio.StreamReader, target: HttpsTarget) -> int:
    match = _STATUS.match(await reader.readuntil(b"\r\n"))
    if match is None:
        raise TransientError(Reason.CORRUPT, f"{target.authority} does not speak HTTP")
    return int(match[1])
