"""Takes bytes of machines that measure their line to the centre, counts them and keeps none.

Anybody may send them, since a machine measures its line before it has an identity. What one address
may send in a minute is less than a camera sends; a body is counted piece by piece and never held.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.enrolment.messages import MOST_UPLOAD_BYTES, UPLOADS, Received
from gateway.ports import Clock
from gateway.runtime.rate_limit import RateLimiter

AT_ONCE = 4
"""Bodies that are taken at the same time."""

PER_MIN, BURST = UPLOADS, 2 * UPLOADS
"""Bodies of one address: one measurement a minute, and two at once."""


class LineMeter:
    """Answers uploads.

    Args:
        clock: Monotonic.
        within_s: How long one body may take.
    """

    def __init__(self, *, clock: Clock, within_s: float) -> None:
        self._limits = RateLimiter(PER_MIN, BURST, clock=clock)
        self._within_s = within_s
        self._taking = 0

    async def answer(self, request: web.Request, client: str) -> web.Response:
        """Return how much of the body of *request* has come, from the address *client*.

        Raises:
            HTTPTooManyRequests: Of this address, or of all.
            HTTPRequestEntityTooLarge: It is longer than it may be.
            HTTPRequestTimeout: It takes too long.
        """
        if self._taking >= AT_ONCE or not self._limits.try_acquire(client):
            raise web.HTTPTooManyRequests(text="Too many measurements; try again in a minute.\n")
        self._taking += 1
        try:
            async with asyncio.timeout(self._within_s):
                count = await _count(request)
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="The body did not come in time.\n") from None
        finally:
            self._taking -= 1
        text = Received(received=count).model_dump_json()
        return web.Response(text=text, content_type="application/json")


async def _count(request: web.Request) -> int:
    count = 0
    async for piece in request.content.iter_any():
        count += len(piece)
        if count > MOST_UPLOAD_BYTES:
            raise web.HTTPRequestEntityTooLarge(MOST_UPLOAD_BYTES, count)
    return count
