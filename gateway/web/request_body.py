"""Reads the body of a request in bounded time; its size is bounded by the application."""

from __future__ import annotations

import asyncio

from aiohttp import web


async def read_body(request: web.Request, within_s: float) -> bytes:
    """Return the body of *request*.

    Raises:
        HTTPRequestTimeout: It is not complete *within_s* seconds from now: a connection whose
            request is in work makes room for no other.
        HTTPRequestEntityTooLarge: It is larger than the application allows.
    """
    try:
        async with asyncio.timeout(within_s):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The body did not come in time.\n") from None
