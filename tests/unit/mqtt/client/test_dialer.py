"""From a name to a socket when names no longer resolve."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.dialer import AGAIN_S, LOOKUPS, Dialer
from gateway.runtime.resolver import Endpoint
from tests.fixtures.clock import HANG_S
from tests.fixtures.tcp import tcp_server


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def listening() -> AbstractAsyncContextManager[int]:
    """Somebody accepts; the port."""
    return tcp_server(hang_up)


class Resolver:
    """Answers, until it is dead: then it keeps everybody waiting."""

    def __init__(self) -> None:
        self.dead = False
        self.asked = 0
        self.released = threading.Event()

    def __call__(self, host: str, port: int) -> list[Endpoint]:
        self.asked += 1
        if self.dead:
            self.released.wait()
            raise OSError("too late")
        assert host == "localhost"
        return [(socket.AddressFamily.AF_INET, ("127.0.0.1", port))]


async def test_the_last_address_serves_while_the_resolver_is_dead() -> None:
    """A site that loses its DNS reconnects all the same, while the resolver still hangs."""
    resolver = Resolver()
    async with listening() as port:
        address = BrokerAddress(host="localhost", port=port)
        dialer = Dialer(address, resolve=resolver, lookup_s=HANG_S)
        (await dialer.dial(within_s=HANG_S)).close()

        resolver.dead = True
        dialer._lookup_s = 0.1
        (await dialer.dial(within_s=HANG_S)).close()
        assert not resolver.released.is_set()
    resolver.released.set()


async def test_a_dead_resolver_is_named_when_no_address_is_known() -> None:
    """With the host, so that people know which name it is about."""
    resolver = Resolver()
    resolver.dead = True
    dialer = Dialer(BrokerAddress(host="localhost", port=1), resolve=resolver, lookup_s=0.1)
    with pytest.raises(BrokerUnavailable) as caught:
        await dialer.dial(within_s=HANG_S)
    resolver.released.set()

    assert caught.value.reason is Reason.DNS_FAILED
    assert "localhost" in caught.value.detail
    assert caught.value.longest_s <= max(AGAIN_S)


async def test_a_stuck_lookup_keeps_nobody_from_leaving() -> None:
    """Its thread is left to its fate."""
    resolver = Resolver()
    resolver.dead = True
    dialer = Dialer(BrokerAddress(host="localhost", port=1), resolve=resolver, lookup_s=60)
    with pytest.raises(BrokerUnavailable) as caught:
        await dialer.dial(within_s=0.1)
    resolver.released.set()

    assert caught.value.reason is Reason.TIMEOUT


async def test_lookups_that_nobody_answers_are_few() -> None:
    """Each holds a thread: a resolver that hangs for days must not gather them, nor be a bug."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    resolver = Resolver()
    resolver.dead = True
    dialer = Dialer(BrokerAddress(host="localhost", port=1), resolve=resolver, lookup_s=0.01)
    for _ in range(LOOKUPS * 3):
        with suppress(BrokerUnavailable):
            await dialer.dial(within_s=HANG_S)
    resolver.released.set()
    while any(thread.name == "broker-lookup" for thread in threading.enumerate()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # a thread has no event to wait for
    del dialer
    gc.collect()

    assert resolver.asked == LOOKUPS
    assert complaints == []


@asynccontextmanager
async def silent(port: int = 0) -> AsyncIterator[int]:
    """Somebody at 127.0.0.2 who answers no SYN, as a line that is away; the port."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.2", port))
        full.listen(0)
        for waiting in (first, second):  # the queue is full, and nobody takes from it
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        yield full.getsockname()[1]


async def test_an_address_that_is_silent_does_not_keep_the_next_from_being_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with IPv6 that leads nowhere; the next time the one that answers comes first."""
    tried: list[str] = []
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def connected(sock: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", connected)
    async with listening() as port, silent(port):
        both: list[Endpoint] = [
            (socket.AddressFamily.AF_INET, (host, port)) for host in ("127.0.0.2", "127.0.0.1")
        ]
        address = BrokerAddress(host="localhost", port=port)
        dialer = Dialer(address, resolve=lambda _host, _port: both, address_s=1.0)
        for _ in range(2):
            (await dialer.dial(within_s=HANG_S)).close()

    assert tried == ["127.0.0.2", "127.0.0.1", "127.0.0.1"]


async def test_a_line_that_is_away_is_looked_for_again_soon() -> None:
    """However long it has been away: within 20 s, and not all sites at once."""
    async with silent() as port:
        dialer = Dialer(BrokerAddress(host="127.0.0.2", port=port), address_s=0.05)
        errors = []
        for _ in range(2):
            with pytest.raises(BrokerUnavailable) as caught:
                await dialer.dial(within_s=HANG_S)
            errors.append(caught.value)

    assert [each.reason for each in errors] == [Reason.TIMEOUT] * 2
    assert all(AGAIN_S[0] <= each.longest_s <= AGAIN_S[1] for each in errors)
    assert errors[0].longest_s != errors[1].longest_s
