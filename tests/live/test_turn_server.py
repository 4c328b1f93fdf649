"""The TURN server's configuration that we ship, at work in a real coturn; aioice is the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from aioice import turn as aioice_turn
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.signalling import IceServer
from gateway.runtime.turn_credentials import LIFETIME_S
from gateway.webrtc.ice_candidates import is_usable_address
from tests.fixtures.clock import HANG_S
from tests.fixtures.turn import CONFIGURATION, Turn, own_address, turn_server

pytestmark = pytest.mark.live


class Peer(asyncio.DatagramProtocol):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue(maxsize=100)

    def datagram_received(self, data: bytes, _address: tuple[str, int]) -> None:
        self.received.put_nowait(data)


@asynccontextmanager
async def allocation(turn: Turn, server: IceServer, transport: str = "udp") -> AsyncIterator[Any]:
    """An allocation with the credentials of *server*; yields aioice's client."""
    credential = None if server.credential is None else server.credential.get_secret_value()
    relayed, _ = await aioice_turn.create_turn_endpoint(
        Peer,
        server_addr=(turn.host, turn.port),
        username=server.username,
        password=credential,
        transport=transport,
    )
    client = relayed._TurnTransport__inner_protocol  # type: ignore[attr-defined]
    try:
        yield client
    finally:
        await client.delete()


def code_of(error: BaseException) -> int | None:
    """The STUN error code of a refusal."""
    assert isinstance(error, stun.TransactionFailed)
    return error.response.error_code


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_ephemeral_credential_relays_to_an_allowed_peer(
    turn: Turn, transport: str
) -> None:
    """Made from the shared secret as console and gateway make it."""
    loop = asyncio.get_running_loop()
    listening, peer = await loop.create_datagram_endpoint(Peer, local_addr=(own_address(), 0))
    async with allocation(turn, turn.server(transport), transport) as client:
        await client.send_data(b"hello", listening.get_extra_info("sockname"))

        async with asyncio.timeout(HANG_S):
            assert await peer.received.get() == b"hello"
    listening.close()


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ({"age_s": LIFETIME_S + 60}, "expired"),
        ({"secret": "guessed"}, "made with another secret"),
    ],
    ids=["expired", "wrong secret"],
)
async def test_a_credential_that_is_not_valid_is_refused(
    turn: Turn, given_: dict[str, Any], why: str
) -> None:
    """401, and no allocation."""
    with pytest.raises(stun.TransactionFailed) as refused:
        async with allocation(turn, turn.server("udp", **given_)):
            raise AssertionError(f"allocated although {why}")

    assert code_of(refused.value) == 401


async def test_a_credential_with_a_longer_life_is_worthless(turn: Turn) -> None:
    """Who moves the expiry in the name has to sign it anew, and cannot."""
    valid = turn.server("udp")
    expiry, _, name = str(valid.username).partition(":")
    moved = IceServer(valid.urls, f"{int(expiry) + 86_400}:{name}", valid.credential)

    with pytest.raises(stun.TransactionFailed) as refused:
        async with allocation(turn, moved):
            raise AssertionError("allocated")

    assert code_of(refused.value) == 401


INSIDE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.168.1.10",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]


async def test_a_peer_inside_is_refused(tmp_path: Path) -> None:
    """403 for each: a relay is no way into the network that it stands in."""
    with turn_server(tmp_path) as turn:
        async with allocation(turn, turn.server("udp")) as client:
            codes = {}
            for address in INSIDE:
                with pytest.raises(stun.TransactionFailed) as refused:
                    await client.send_data(b"hello", (address, 554))
                codes[address] = code_of(refused.value)

    assert codes == dict.fromkeys(INSIDE, 403)


async def test_a_tcp_relay_is_refused(turn: Turn) -> None:
    """RFC 6062 would reach every service; 442: the transport is not supported."""
    server = turn.server("udp")
    async with allocation(turn, server) as client:
        other = aioice_turn.TurnClientTcpProtocol(
            (turn.host, turn.port), server.username, client.password, 600, 500
        )
        await asyncio.get_running_loop().create_connection(lambda: other, turn.host, turn.port)
        request = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
        request.attributes["REQUESTED-TRANSPORT"] = aioice_turn.TCP_TRANSPORT
        with pytest.raises(stun.TransactionFailed) as refused:
            await other.request_with_retry(request)
        other.transport.close()

    assert code_of(refused.value) in (403, 442)


async def test_one_name_gets_so_many_allocations(tmp_path: Path) -> None:
    """486 for the next one; the expiry before the name makes no new name."""
    with turn_server(tmp_path, "user-quota=2") as turn:
        async with (
            allocation(turn, turn.server("udp")),
            allocation(turn, turn.server("udp", age_s=5)),
        ):
            with pytest.raises(stun.TransactionFailed) as refused:
                async with allocation(turn, turn.server("udp", age_s=10)):
                    raise AssertionError("allocated")

    assert code_of(refused.value) == 486


def denied(address: IPv4Address | IPv6Address) -> bool:
    """Whether *address* is within a range that the configuration denies."""
    for line in CONFIGURATION.read_text(encoding="utf-8").splitlines():
        if line.startswith("denied-peer-ip="):
            first, last = map(ip_address, line.partition("=")[2].split("-"))
            if first.version == address.version and int(first) <= int(address) <= int(last):
                return True
    return False


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_the_gateway_would_not_check_is_denied(address: IPv4Address | IPv6Address) -> None:
    """One policy, in the gateway and at the relay, which denies private addresses besides."""
    if not is_usable_address(address, ()):
        isatap = address.version == 6 and int(address) >> 32 & 0xFDFF_FFFF == 0x5EFE
        assert denied(address) or isatap


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "fc00::1", "fd00::1", "fe80::1", "ff02::1",
     "2001::1", "2002:7f00:1::1", "fec0::1"],
)  # fmt: skip
def test_an_ipv6_peer_inside_is_denied(address: str) -> None:
    """Loopback, what stands for IPv4, unique local, the link, everybody."""
    assert denied(IPv6Address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "113.160.0.1", "2405:4800::1", "2600::1"])
def test_a_peer_on_the_internet_is_not_denied(address: str) -> None:
    """Where viewers and gateways are."""
    assert not denied(ip_address(address))
