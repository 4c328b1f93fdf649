"""The ways to the broker, the usual one and one for when that is closed, and when one is tried.

A firewall that lets nothing but HTTPS through is met with a websocket on port 443. Both lead to
the same broker, or to two that know of each other; the client id is one, so that only one way is
used at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import structlog

from gateway.model.errors import BrokerUnavailable
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.dialer import Dialer
from gateway.ports import Clock

TRIES = 3
"""So often one way is tried in a row before the other is."""

BACK_S = 900.0
"""How often it is looked whether the first way is open again."""

DIAL_S = 15.0

SOON_S = 10.0
"""A connection that ends so soon after it was accepted counts as none."""

log = structlog.get_logger(__name__)


def reconnect_delays(first: float = 1.0, ceiling: float = 120.0) -> Iterator[float]:
    """Yield pauses between connections: doubling to *ceiling*, each ±50 % at random.

    A thousand gateways that lose one broker must not come back in step.
    """
    delay = first
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, ceiling)


class BrokerFailover:
    """Decides which way is taken next.

    Args:
        first: The usual one.
        second: The other; None: there is none.
        met: Told of the broker's certificate, in DER, on each connection by TLS.
        renew: Called, with the reason, when the first way is open again: the connection is to be
            made anew.
        clock: Monotonic.
        back_s: Shorter in tests.
    """

    def __init__(
        self,
        first: BrokerAddress,
        second: BrokerAddress | None = None,
        *,
        on_peer_certificate: Callable[[bytes], None] = lambda _: None,
        reconnect: Callable[[str], None] = lambda _: None,
        clock: Clock,
        back_s: float = BACK_S,
    ) -> None:
        self._on_peer_certificate = on_peer_certificate
        self._index = 0
        self._failures = 0
        self._brokers: tuple[tuple[BrokerAddress, Dialer], ...] = ()
        self.switched = asyncio.Event()
        """Set when the connection in use leads to a broker that was turned away from."""
        self.switch_to(first, second)
        self.switched.clear()
        self._reconnect = reconnect
        self._clock = clock
        self._back_s = back_s

    @property
    def address(self) -> BrokerAddress:
        """Where the way leads that is to be taken."""
        return self._brokers[self._index][0]

    @property
    def dialer(self) -> Dialer:
        """Who opens it."""
        return self._brokers[self._index][1]

    def switch_to(self, first: BrokerAddress, second: BrokerAddress | None = None) -> None:
        """Lead to another broker from now on; nothing changes if it is the same."""
        addresses = (first,) if second is None else (first, second)
        if addresses == tuple(address for address, _ in self._brokers):
            return
        self._brokers = tuple(
            (each, Dialer(each, on_peer_certificate=self._on_peer_certificate))
            for each in addresses
        )
        self._index = self._failures = 0
        self.switched.set()

    def on_connect_failed(self) -> None:
        """The way has not led to a connection."""
        self._failures += 1
        if self._failures >= TRIES and len(self._brokers) > 1:
            self._select(1 - self._index)

    def on_connection_lost(self, lasted_s: float) -> None:
        """A connection is over that was accepted *lasted_s* ago."""
        if lasted_s < SOON_S:
            self.on_connect_failed()
        else:
            self._failures = 0

    async def run(self) -> None:
        """While the second way is taken, look now and then whether the first is open again."""
        while len(self._brokers) > 1:
            await self._clock.sleep(self._back_s)
            if self._index and await self._is_open(self._brokers[0][1]):
                self._select(0)
                self._reconnect("the first way is open again")

    async def _is_open(self, dialer: Dialer) -> bool:
        try:
            (await dialer.dial(within_s=DIAL_S)).close()
        except BrokerUnavailable:
            return False
        return True

    def _select(self, at: int) -> None:
        self._index, self._failures = at, 0
        log.warning("way changed", broker=str(self.address), transport=self.address.transport)
