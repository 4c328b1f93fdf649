"""Fails over between a first and a second address of the broker.

The second is for a firewall that lets only HTTPS through: a websocket on port 443. Both lead to the
same broker, or to two that share sessions. There is one client id, so that only one address is used
at a time.
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
"""Failures in a row before the other address is tried."""

BACK_S = 900.0
"""How often the first address is tried while the second is in use."""

DIAL_S = 15.0

SOON_S = 10.0
"""A connection that ends so soon after it was accepted counts as failed."""

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
    """Decides which address is used next.

    Args:
        first: The usual address.
        second: The other; None: there is none.
        on_peer_certificate: Called with the broker's certificate, in DER, on each TLS connection.
        reconnect: Called, with the reason, when the first address can be reached again.
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
        """Set when the connection in use is with a broker that is no longer wanted."""
        self.switch_to(first, second)
        self.switched.clear()
        self._reconnect = reconnect
        self._clock = clock
        self._back_s = back_s

    @property
    def address(self) -> BrokerAddress:
        """The address to use next."""
        return self._brokers[self._index][0]

    @property
    def dialer(self) -> Dialer:
        """Opens connections to `address`."""
        return self._brokers[self._index][1]

    def switch_to(self, first: BrokerAddress, second: BrokerAddress | None = None) -> None:
        """Use another broker from now on; nothing changes if it is the same."""
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
        """`address` has not accepted a connection."""
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
        """While the second address is in use, try the first now and then."""
        while len(self._brokers) > 1:
            await self._clock.sleep(self._back_s)
            if self._index and await self._is_open(self._brokers[0][1]):
                self._select(0)
                self._reconnect("the first address can be reached again")

    async def _is_open(self, dialer: Dialer) -> bool:
        try:
            (await dialer.dial(within_s=DIAL_S)).close()
        except BrokerUnavailable:
            return False
        return True

    def _select(self, at: int) -> None:
        self._index, self._failures = at, 0
        log.warning("broker_changed", broker=str(self.address), transport=self.address.transport)
