"""Looks at the machine now and then, beside the loop; everybody else reads what was seen last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from gateway.model.health import HostSample
from gateway.ports import Clock

LOOK_S = 15.0
"""Between two looks, and so the interval of their rates."""


class HostSampler:
    """Holds the newest sample of the machine.

    Args:
        look: Takes a sample at a monotonic second; may wait for a disk, so it is called on a
            thread, but for the first time.
        clock: Monotonic.
        every_s: Between two looks.
    """

    def __init__(
        self, look: Callable[[float], HostSample], *, clock: Clock, every_s: float = LOOK_S
    ) -> None:
        self._look = look
        self._clock = clock
        self._every_s = every_s
        self.sample = look(clock.now())

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(self._every_s)
            self.sample = await asyncio.to_thread(self._look, self._clock.now())
