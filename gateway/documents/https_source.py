"""Fetches document files by HTTPS from a server inside the province's networks.

A name must resolve wholly inside the networks that the settings allow; it is resolved once for each
request, and the address found is the one connected to. No redirect is followed. A file that has not
changed costs a 304 where the server has entity tags, else a download.

Sources: RFC 9110 sections 13 (conditional requests), 15; RFC 7617 (Basic).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from gateway.documents.folder import FileMark
from gateway.model.document_template import DOCUMENT_BYTES
from gateway.model.errors import GatewayError, TransientError
from gateway.model.reasons import Reason
from gateway.runtime.https_client import CHUNK_BYTES, get_at, https_session
from gateway.runtime.https_url import parse_https_url
from gateway.runtime.resolver import addresses_of

if TYPE_CHECKING:
    import aiohttp

WITHIN_S = 60.0
"""For one file."""

ETAG_CHARS = 256


@dataclass(frozen=True, slots=True)
class ServerLogin:
    """Who we are to the server."""

    username: str
    password: SecretStr


class DocumentServer:
    """One folder of one server; `gateway.documents.service.DocumentSource`.

    Args:
        url: Of the folder, ends with ``/``.
        networks: It must lead into one of them.
        ca_file: Authority of its certificate; None: the system's.
        login: Who we are; None: nobody asks.
    """

    def __init__(
        self,
        url: str,
        networks: tuple[IPv4Network | IPv6Network, ...],
        *,
        ca_file: Path | None,
        login: ServerLogin | None,
    ) -> None:
        authority = urlsplit(url).netloc.removesuffix(":443").lower()
        self._target = parse_https_url(
            url, {authority}, at="/documents/url", setting="[documents] url"
        )
        self._networks = networks
        self._ca_file = ca_file
        self._login = login
        self._marks: dict[str, tuple[str, FileMark]] = {}

    async def find(self, names: frozenset[str]) -> dict[str, FileMark]:
        """Return those of *names* that the server has. Raises TransientError."""
        found = {}
        async with self._session() as session:
            for name in sorted(names):
                mark = await self._look(session, name)
                if mark is not None:
                    found[name] = mark
        self._marks = {name: each for name, each in self._marks.items() if name in found}
        return found

    async def read(self, mark: FileMark) -> bytes:
        """Return the file of *mark*, at most one byte more than is taken. Raises TransientError."""
        content = bytearray()
        async with self._session() as session, self._answer(session, mark.name) as answer:
            if answer.status != 200:
                raise self._failure(answer.status)
            await _read(answer, content.extend)
        return bytes(content)

    async def _look(self, session: aiohttp.ClientSession, name: str) -> FileMark | None:
        tag, before = self._marks.get(name, ("", None))
        async with self._answer(session, name, tag=tag) as answer:
            if answer.status == 304 and before is not None:
                return before
            if answer.status in (404, 410):
                return None
            if answer.status != 200:
                raise self._failure(answer.status)
            digest = hashlib.sha256()
            size = await _read(answer, digest.update)
            mark = FileMark(name, size, int.from_bytes(digest.digest()[:8], "big"))
            tag = answer.headers.get("ETag", "")
            if tag and len(tag) <= ETAG_CHARS:
                self._marks[name] = (tag, mark)
            return mark

    def _session(self) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        return https_session(
            self._ca_file, setting="[documents] ca_file", reason=Reason.DOCUMENT_SOURCE
        )

    @asynccontextmanager
    async def _answer(
        self, session: aiohttp.ClientSession, name: str, *, tag: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp

        headers = {"Accept-Encoding": "identity"}
        if tag:
            headers["If-None-Match"] = tag
        if self._login is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(
                self._login.username, self._login.password.get_secret_value(), "utf-8"
            )
        try:
            async with asyncio.timeout(WITHIN_S):
                address = await self._address()
                name = quote(name, safe="")
                async with await get_at(
                    session, self._target, address, name=name, headers=headers
                ) as answer:
                    yield answer
        except TimeoutError:
            raise self._trouble("does not answer in time") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._trouble(f"its certificate is refused: {error}") from None
        except aiohttp.ClientConnectorError as error:
            raise self._trouble(error.os_error.strerror or "cannot be connected to") from None
        except aiohttp.ClientError as error:
            raise self._trouble(type(error).__name__) from None

    async def _address(self) -> str:
        """Return where to connect. Raises TransientError: it is outside the networks."""
        try:
            found = await addresses_of(self._target.host)
        except GatewayError as error:
            raise self._trouble(error.detail) from None
        for address in found:
            if not any(address in network for network in self._networks):
                raise self._trouble(f"{address} is outside [documents] networks")
        return str(found[0])

    def _failure(self, status: int) -> TransientError:
        said = {401: "it asks for a login", 403: "the login may not read this"}
        return self._trouble(f"{said.get(status, 'it answers')} ({status})")

    def _trouble(self, what: str) -> TransientError:
        return TransientError(Reason.DOCUMENT_SOURCE, f"{self._target.authority}: {what}"[:400])


async def _read(answer: aiohttp.ClientResponse, take: Callable[[bytes], object]) -> int:
    """Give the body of *answer* to *take*, at most a byte more than is taken; return its size."""
    size = 0
    while size <= DOCUMENT_BYTES:
        chunk = await answer.content.read(min(CHUNK_BYTES, DOCUMENT_BYTES + 1 - size))
        if not chunk:
            break
        size += len(chunk)
        take(chunk)
    return size
