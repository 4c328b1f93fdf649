"""From a name to a socket when names no longer resolve."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.dial import Dialler, Endpoint


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """Somebody accepts; the port."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Resolver:
    """Answers, until it is dead: then it keeps everybody waiting."""

    def __init__(self) -> None:
        self.dead = False
        self.released = threading.Event()

    def __call__(self, host: str, port: int) -> list[Endpoint]:
        if self.dead:
            self.released.wait()
            raise OSError("too late")
        assert host == "localhost"
        return [(socket.AddressFamily.AF_INET, ("127.0.0.1", port))]


async def test_the_last_address_serves_while_the_resolver_is_dead() -> None:
    """A site that loses its DNS reconnects all the same, and no later than a lookup may take."""
    resolver = Resolver()
    async with listening() as port:
        address = BrokerAddress(host="localhost", port=port)
        dialler = Dialler(address, look=resolver, lookup_s=0.1)
        (await dialler.dial(within_s=5)).close()

        resolver.dead = True
        began_s = time.monotonic()
        (await dialler.dial(within_s=5)).close()
        took_s = time.monotonic() - began_s
    resolver.released.set()

    assert took_s < 2


async def test_a_dead_resolver_is_named_when_no_address_is_known() -> None:
    """With the host, so that people know which name it is about."""
    resolver = Resolver()
    resolver.dead = True
    dialler = Dialler(BrokerAddress(host="localhost", port=1), look=resolver, lookup_s=0.1)
    with pytest.raises(BrokerUnavailable) as caught:
        await dialler.dial(within_s=5)
    resolver.released.set()

    assert caught.value.reason is Reason.DNS_FAILED
    assert "localhost" in caught.value.detail


async def test_a_stuck_lookup_keeps_nobody_from_leaving() -> None:
    """Its thread is left to its fate."""
    resolver = Resolver()
    resolver.dead = True
    dialler = Dialler(BrokerAddress(host="localhost", port=1), look=resolver, lookup_s=60)
    with pytest.raises(BrokerUnavailable) as caught:
        await dialler.dial(within_s=0.1)
    resolver.released.set()

    assert caught.value.reason is Reason.TIMEOUT
