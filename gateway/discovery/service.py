"""Discoveries of a gateway that runs: when the centre asks for one, and one a week by itself.

One at a time. What they find is kept for the inventory. They log in where the site document has an
account for the address, and nowhere else, and their failures are counted with the cameras' own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import structlog

from gateway.discovery.addresses import Network
from gateway.discovery.detected_store import DetectedStore, detected
from gateway.discovery.discovery import Accounts, Discovery, Item
from gateway.discovery.found import FoundDevice
from gateway.model.detected import DetectedDevice
from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms

WEEK_MS = 7 * 86_400_000
LOOK_S = 1_800.0
"""Between two looks at whether a week has passed; also how long after a start the first is."""

JITTER = 0.1
"""Share of a week by which it may be sooner or later, so that not all sites do it at once."""

log = structlog.get_logger(__name__)


class DiscoveryService:
    """Runs discoveries one at a time, and knows what the last has found.

    Args:
        discovery: Of this site's networks.
        accounts: Returns who logs in at an address, by the site document.
        store: Keeps what was found.
        weekly: Whether one is made each week by itself.
        clock: Monotonic.
        wall_ms: Returns the wall clock.
    """

    def __init__(
        self,
        discovery: Discovery,
        accounts: Accounts,
        store: DetectedStore,
        *,
        weekly: bool,
        clock: Clock,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._discovery = discovery
        self._accounts = accounts
        self._store = store
        self._weekly = weekly
        self._clock = clock
        self._wall_ms = wall_ms
        self._busy = asyncio.Lock()
        self._every_ms = self._next_every_ms()

    @property
    def devices(self) -> tuple[DetectedDevice, ...]:
        """What the last discovery has found."""
        return self._store.devices

    async def discover(self, networks: Sequence[Network] | None = None) -> AsyncGenerator[Item]:
        """Yield what is found, as `Discovery.discover`; at its end it is kept.

        What was found in other networks before is kept as well, and of a discovery that is ended
        early what it has found until then.

        Raises:
            TransientError: Another discovery is being made (`OVERLOADED`).
        """
        if self._busy.locked():
            raise TransientError(Reason.OVERLOADED, "another discovery is being made")
        async with self._busy:
            found: dict[str, DetectedDevice] = {}
            asked = self._discovery.discover(networks, self._accounts)
            ended = False
            try:
                async with aclosing(asked) as items:
                    async for item in items:
                        if isinstance(item, FoundDevice):
                            found[item.address] = detected(item, self._wall_ms())
                        yield item
                ended = True
            finally:
                if not ended and found:  # its time was over, or who listened has gone
                    self._store.keep(self._with_former(found), self._store.ended_ms)
            kept = tuple(found.values()) if networks is None else self._with_former(found)
            await asyncio.to_thread(self._store.keep, kept, self._wall_ms())
            log.info("discovery_ended", devices=len(found))

    def _with_former(self, found: dict[str, DetectedDevice]) -> tuple[DetectedDevice, ...]:
        """Return what was *found* now, and behind it what else was found before."""
        former = (each for each in self._store.devices if each.address not in found)
        return (*found.values(), *former)

    async def run(self) -> None:
        """Make a discovery whenever a week has passed, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            if self.is_due and not self._busy.locked():
                await self._make_one()

    @property
    def is_due(self) -> bool:
        """Whether a week has passed, or the clock was set back; never where none is made."""
        since_ms = self._wall_ms() - self._store.ended_ms
        return self._weekly and not 0 <= since_ms < self._every_ms

    async def _make_one(self) -> None:
        self._every_ms = self._next_every_ms()
        try:
            async with aclosing(self.discover()) as items:
                async for _ in items:
                    pass
        except Exception as error:  # ends this discovery only
            report_bug("report", error, "discovery")

    @staticmethod
    def _next_every_ms() -> float:
        return WEEK_MS * random.uniform(1 - JITTER, 1 + JITTER)
