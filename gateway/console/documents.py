"""Monthly documents at the console: taken from the broker, shown on a page of their own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import sqlalchemy as sa
from aiohttp import web

from gateway.centre.delivery.overview import overview_tree
from gateway.centre.delivery.receiver import DocumentReceiver
from gateway.centre.delivery.settings import DeliverySettings
from gateway.centre.delivery.store import DocumentStore
from gateway.documents.months import past_months
from gateway.ports import Clock, OutboundMessage

PATH = "/documents.json"
SHOWN_MONTHS = 12

_MONTH = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")


class Documents:
    """The part of the console.

    Args:
        settings: ``[documents]``.
        engine: The centre's database.
        publish: Publishes acknowledgements.
        clock: Monotonic.
        wall_ms: The wall clock.

    Attributes:
        receiver: Takes what sites send.

    Raises:
        ConfigRejected: The key cannot be used.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        engine: sa.Engine,
        *,
        publish: Callable[[OutboundMessage], None],
        clock: Clock,
        wall_ms: Callable[[], int],
    ) -> None:
        self._settings, self._wall_ms = settings, wall_ms
        self._store = DocumentStore(engine, max_bytes=settings.max_mib << 20)
        self._reading = asyncio.Lock()
        self.receiver = DocumentReceiver(settings, self._store, publish=publish, clock=clock)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer who has delivered in a month: ``?month=2026-05``, the last one if left out."""
        now = self._wall_ms()
        months = past_months(now, SHOWN_MONTHS)
        month = request.query.get("month", months[0])
        if not _MONTH.fullmatch(month):
            raise web.HTTPBadRequest(text="month must be like 2026-05\n")
        async with self._reading:  # one at a time: the disk is the sites'
            rows = await asyncio.to_thread(self._store.delivered, month)
        tree = overview_tree(month, self._settings.kinds, rows, now_ms=now)
        return web.json_response({**tree, "months": months}, headers={"Cache-Control": "no-store"})


async def answer_off(_: web.Request) -> web.Response:
    """Answer where no documents are taken."""
    raise web.HTTPNotFound(text="No [documents] at this centre.\n")
