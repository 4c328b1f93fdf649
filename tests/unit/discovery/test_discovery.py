"""Who is found in the camera networks, and how far a discovery goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from ipaddress import ip_network
from typing import cast

from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.discovery.discovery import Accounts, Discovery, Item, nobody
from gateway.discovery.found import FoundDevice, Progress
from gateway.discovery.limits import DiscoveryLimits
from gateway.rtsp.auth import Login

LOGIN = Login(ACCOUNT.username, ACCOUNT.password)
LIMITS = DiscoveryLimits(wait_s=0.2)
MATCH = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><e:Body><d:ProbeMatches>'
    "<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/{name}"
    " onvif://www.onvif.org/hardware/IPC</d:Scopes><d:XAddrs>http://{named}/onvif/device_service"
    "</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
)


class _Responder(asyncio.DatagramProtocol):
    """Answers every datagram with one of its own."""

    def __init__(self, answer: bytes, via: asyncio.DatagramTransport | None) -> None:
        self._answer = answer
        self._via = via

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._via = self._via or cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        assert self._via is not None
        self._via.sendto(self._answer, addr)


@asynccontextmanager
async def responders(
    answers: dict[str, bytes], via: asyncio.DatagramTransport | None = None
) -> AsyncIterator[int]:
    """Have each address answer WS-Discovery, by *via*; yield the port, the same at all of them."""
    loop = asyncio.get_running_loop()
    port = 0
    async with AsyncExitStack() as stack:
        for address, answer in answers.items():
            transport, _ = await loop.create_datagram_endpoint(
                lambda answer=answer: _Responder(answer, via),  # type: ignore[misc]
                local_addr=(address, port),
            )
            stack.callback(transport.close)
            port = transport.get_extra_info("sockname")[1]
        yield port


def match(name: str, named: str) -> bytes:
    return MATCH.format(name=name, named=named).encode()


async def all_of(discovery: Discovery, accounts: Accounts = nobody) -> list[Item]:
    async with aclosing(discovery.discover(accounts=accounts)) as items:
        return [each async for each in items]


def devices(items: Iterable[Item]) -> dict[str, FoundDevice]:
    return {each.address: each for each in items if isinstance(each, FoundDevice)}


async def test_devices_are_found_by_their_ports() -> None:
    """Of eight addresses the two where something listens, each with what it has."""
    async with (
        ScriptedRecorder("isapi", host="127.7.0.2") as one,
        ScriptedRecorder("dahua", host="127.7.0.5", channels=4) as two,
    ):
        discovery = Discovery(
            (ip_network("127.7.0.0/29"),), extra_ports=(*one.ports, *two.ports), limits=LIMITS
        )
        items = await all_of(discovery, lambda _: LOGIN)

    found = devices(items)
    assert {each: len(device.channels) for each, device in found.items()} == {
        "127.7.0.2": 16,
        "127.7.0.5": 4,
    }
    assert (one.counts.logins, two.counts.logins) == (1, 1)
    assert isinstance(items[-1], Progress)
    assert items[-1].stage == "done"


async def test_an_answer_counts_for_the_address_that_it_comes_from() -> None:
    """A device that names another host has nobody asked there."""
    async with (
        ScriptedRecorder("isapi", host="127.7.1.9") as other,
        responders({"127.7.1.2": match("a", f"127.7.1.9:{other.http_port}")}) as port,
    ):
        discovery = Discovery(
            (ip_network("127.7.1.0/30"),),
            extra_ports=other.ports,
            limits=LIMITS,
            ws_port=port,
        )
        found = devices(await all_of(discovery, lambda _: LOGIN))

    assert (list(found), other.counts.requests) == (["127.7.1.2"], [])


async def test_answers_from_outside_the_camera_networks_are_dropped() -> None:
    """Whatever they name; it is told how many there were."""
    loop = asyncio.get_running_loop()
    stranger, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.7.9.9", 0)
    )
    async with responders({"127.7.2.2": match("a", "127.7.2.2")}, via=stranger) as port:
        discovery = Discovery((ip_network("127.7.2.0/30"),), limits=LIMITS, ws_port=port)
        items = await all_of(discovery)
    stranger.close()

    notices = [each.en for each in items if isinstance(each, Progress) and each.stage == "notice"]
    assert devices(items) == {}
    assert notices[0].startswith("1 answers to WS-Discovery were dropped")


async def test_at_most_four_devices_are_asked_at_once() -> None:
    """Of ten, which all have much to tell."""
    at_once, peak = 0, 0

    class Counting(ScriptedRecorder):
        async def _answer(self, request: object) -> object:  # type: ignore[override]
            nonlocal at_once, peak
            at_once += 1
            peak = max(peak, at_once)
            await asyncio.sleep(0.005)
            try:
                return await super()._answer(request)  # type: ignore[arg-type]
            finally:
                at_once -= 1

    async with AsyncExitStack() as stack:
        recorders = [
            await stack.enter_async_context(Counting(host=f"127.7.3.{n}", channels=2))
            for n in range(1, 11)
        ]
        ports = [port for each in recorders for port in each.ports]
        discovery = Discovery((ip_network("127.7.3.0/28"),), extra_ports=ports, limits=LIMITS)
        found = devices(await all_of(discovery, lambda _: LOGIN))

    assert len(found) == 10
    assert 1 < peak <= 4


async def test_five_hundred_answering_devices_are_all_told() -> None:
    """Each once, though each answers multicast and unicast."""
    network = ip_network("127.7.4.0/23")
    answers = {str(each): match(str(each), str(each)) for each in list(network.hosts())[:500]}
    async with responders(answers) as port:
        limits = DiscoveryLimits(wait_s=0.5, devices_at_once=4)
        discovery = Discovery((network,), limits=limits, ws_port=port)
        found = devices(await all_of(discovery))

    assert len(found) == 500


async def test_a_large_network_is_not_gone_through() -> None:
    """It is told which, and what to do; what is known there is asked all the same."""
    async with ScriptedRecorder(host="127.8.0.77", channels=1) as recorder:
        discovery = Discovery(
            (ip_network("127.8.0.0/16"),),
            extra_ports=recorder.ports,
            known=lambda: ["127.8.0.77", "10.0.0.1"],
            limits=LIMITS,
        )
        items = await all_of(discovery, lambda _: LOGIN)

    notices = [each for each in items if isinstance(each, Progress) and each.stage == "notice"]
    assert list(devices(items)) == ["127.8.0.77"]
    assert "127.8.0.0/16" in notices[0].vi


async def test_whoever_stops_listening_ends_the_discovery() -> None:
    """Nothing goes on behind their back."""
    async with ScriptedRecorder(host="127.7.6.1", silent=True) as recorder:
        discovery = Discovery(
            (ip_network("127.7.6.0/30"),), extra_ports=recorder.ports, limits=LIMITS
        )
        async with aclosing(discovery.discover()) as items:
            async for _ in items:
                break
    assert not [each for each in asyncio.all_tasks() if each.get_name() == "discovery"]
