"""The relay through a real TURN server, and without one that was promised."""

from __future__ import annotations

import pytest

from gateway.demo.config_files import free_port
from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import IceServer, Offer
from tests.fixtures.access_units import access_unit
from tests.fixtures.turn import Turn, own_address
from tests.fixtures.viewer import Viewer
from tests.live.test_webrtc_viewer import KEY, running

pytestmark = pytest.mark.live


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_media_flows_through_turn_alone(viewer: Viewer, turn: Turn, transport: str) -> None:
    """Relayed candidates only, packets one by one, whole and in order; retransmission included."""
    async with running() as bench:
        units = [access_unit(n, keyframe=n == 0, sizes=(1100,) * 5) for n in range(4)]
        bench.stream.deliver(units[0])
        server = turn.server(transport)
        offer = Offer(KEY, "c01", await viewer.offer(), ice_servers=(server,), relay_only=True)

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
    async with running() as bench:
        server = IceServer((f"turn:{own_address()}:{free_port()}?transport=tcp",), "u", None)
        offer = Offer(KEY, "c01", await viewer.offer(), ice_servers=(server,), relay_only=True)

        with pytest.raises(ViewerRejected) as refusal:
            await bench.sessions.handle_offer(offer)

        assert (refusal.value.code, refusal.value.reason) == (503, Reason.TURN_DOWN)
