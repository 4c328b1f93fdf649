"""HTTPS to a server that the settings name: at the address that was resolved, without redirects.

aiohttp is imported with the first session, in a thread: it takes 0.2 s and more, and most gateways
never fetch anything.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.runtime.build import USER_AGENT
from gateway.runtime.https_url import HttpsTarget

if TYPE_CHECKING:
    import aiohttp

CHUNK_BYTES = 65_536
"""Of a body that are read at once."""


@asynccontextmanager
async def https_session(
    ca_file: Path | None, *, setting: str, reason: Reason
) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session of one connection at a time, whose bodies come as they are.

    Args:
        ca_file: Authority of the server's certificate; None: the system's.
        setting: Where that is set, for the error: ``[updates] ca_file``.
        reason: Of the error.

    Raises:
        TransientError: *ca_file* cannot be read.
    """
    await asyncio.to_thread(importlib.import_module, "aiohttp")
    import aiohttp

    try:
        context = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
    except OSError as error:
        raise TransientError(reason, f"{setting}: {error.strerror or error}") from None
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1, ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=CHUNK_BYTES,
        max_line_size=4_096,
        max_field_size=4_096,
        max_headers=64,
    ) as session:
        yield session


async def get_at(
    session: aiohttp.ClientSession,
    target: HttpsTarget,
    address: str,
    *,
    name: str = "",
    headers: Mapping[str, str],
) -> aiohttp.ClientResponse:
    """Return the answer to a GET of *target* at *address*, with its body still to be read.

    Args:
        session: Of `https_session`.
        target: Its host's name is in the request, and must be in the certificate.
        address: IP address to connect to.
        name: What comes behind the path, percent-encoded.
        headers: Beside Host and User-Agent.
    """
    from yarl import URL

    host = f"[{address}]" if ":" in address else address
    return await session.get(
        URL(f"https://{host}:{target.port}{target.path}{name}", encoded=True),
        headers={"Host": target.authority, "User-Agent": USER_AGENT, **headers},
        allow_redirects=False,
        server_hostname=target.host,
    )
