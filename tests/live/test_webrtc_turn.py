"""The relay through a real TURN server, and without one that was promised."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.demo.config_files import free_port
from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import IceServer, Offer, SessionKey
from gateway.mqtt.payloads.signalling import decode_viewer_message
from gateway.mqtt.topic_tree import PLAIN
from tests.fixtures.access_units import access_unit
from tests.fixtures.tcp import tcp_server
from tests.fixtures.turn import Turn, own_address
from tests.fixtures.viewer import Viewer
from tests.live.test_webrtc_viewer import KEY, running

pytestmark = pytest.mark.live


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_media_flows_through_turn_alone(viewer: Viewer, turn: Turn, transport: str) -> None:
    """Relayed candidates only, packets one by one, whole and in order; retransmission included."""
    async with running(turn.server(transport)) as bench:
        units = [access_unit(n, keyframe=n == 0, sizes=(1100,) * 5) for n in range(4)]
        bench.stream.deliver(units[0])
        offer = Offer(KEY, "c01", await viewer.offer(), relay_only=True)

        answer = (await bench.sessions.handle_offer(offer)).sdp
        await viewer.accept(answer)
        await bench.until(lambda: bench.sessions.sample().sessions == 1)
        for unit in units[1:]:
            bench.stream.deliver(unit)
        packets = await viewer.until(20)

        kinds = {
            line.split(" typ ")[1].split()[0] for line in answer.split("\r\n") if " typ " in line
        }
        assert kinds == {"relay"}
        assert [p.payload for p in packets] == [q for unit in units for q in unit.payloads]
        assert bench.sessions.sample().relayed == 1


async def test_a_dead_turn_server_is_told_as_such(viewer: Viewer) -> None:
    """503 TURN_DOWN instead of a session that never comes up."""
    server = IceServer((f"turn:{own_address()}:{free_port()}?transport=tcp",), "u", None)
    async with running(server) as bench:
        offer = Offer(KEY, "c01", await viewer.offer(), relay_only=True)

        with pytest.raises(ViewerRejected) as refusal:
            await bench.sessions.handle_offer(offer)

        assert (refusal.value.code, refusal.value.reason) == (503, Reason.TURN_DOWN)


class Listener(asyncio.DatagramProtocol):
    """Stands for something inside the site; counts whoever comes."""

    def __init__(self) -> None:
        self.contacts: list[str] = []

    def datagram_received(self, _data: bytes, _address: tuple[str, int]) -> None:
        self.contacts.append("udp")

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        self.contacts.append("tcp")
        writer.close()


async def test_no_server_that_an_offer_names_is_contacted(viewer: Viewer) -> None:
    """An offer made the gateway connect to any address, and the time told whether it is there."""
    listener = Listener()
    async with tcp_server(listener.serve, own_address()) as port:
        await offer_servers(viewer, listener, port)

    assert listener.contacts == []


async def offer_servers(viewer: Viewer, listener: Listener, port: int) -> None:
    """Send offers with every kind of ICE server at *port*, where *listener* waits."""
    loop = asyncio.get_running_loop()
    listening, _ = await loop.create_datagram_endpoint(
        lambda: listener, local_addr=(own_address(), port)
    )
    named = [f"turn:{own_address()}:{port}?transport={each}" for each in ("udp", "tcp")]
    named += [f"turns:{own_address()}:{port}", f"stun:{own_address()}:{port}", "stun:a:b:c"]
    async with running() as bench:
        sdp = await viewer.offer()
        for number, url in enumerate(named):
            ice = [{"urls": [url], "username": "u", "credential": "c"}]
            payload = json.dumps({"k": "offer", "cam": "c01", "sdp": sdp, "ice": ice}).encode()
            offer = decode_viewer_message(SessionKey("v", f"session-{number}"), payload, PLAIN)
            assert isinstance(offer, Offer)
            assert offer.ice_offered
            await bench.sessions.handle_offer(offer)

    listening.close()
