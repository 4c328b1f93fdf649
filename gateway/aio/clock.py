"""The real clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """`gateway.ports.Clock` by the machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
