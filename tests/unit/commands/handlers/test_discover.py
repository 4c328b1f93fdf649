"""A discovery from afar: inside the camera networks only, and told while it goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from ipaddress import ip_network

import pytest

from gateway.commands.command import Facts
from gateway.commands.handlers.discover import DiscoverArgs, create
from gateway.discovery.addresses import Network
from gateway.discovery.causes import Cause, CauseCode
from gateway.discovery.discovery import Item
from gateway.discovery.found import FoundChannel, FoundDevice, Progress
from gateway.model.errors import MessageRejected, TransientError
from gateway.model.reasons import Reason
from tests.fixtures.commands import command_context, fake_dependencies

NETWORKS = (ip_network("10.24.8.0/22"),)


async def test_devices_are_counted_while_they_come() -> None:
    """The reply has a line for each, without what is not known."""
    progress: list[Facts] = []
    lost = FoundChannel(2, signal="no_signal")

    async def discover(_: Sequence[Network] | None) -> AsyncGenerator[Item, None]:
        yield Progress("looking", 0, 254, "", "")
        yield FoundDevice("10.24.8.5", maker="Hikvision", channels=(FoundChannel(1), lost))
        yield FoundDevice("10.24.8.6", reason=Cause(CauseCode.LOCKED))
        yield Progress("asking", 2, 2, "", "")

    handler = create(fake_dependencies(camera_networks=NETWORKS, discover=discover))
    outcome = await handler.run(DiscoverArgs(), command_context(progress))

    assert [each["found"] for each in progress] == [0, 2]
    assert outcome.result["devices"][0] == {
        "ip": "10.24.8.5",
        "manufacturer": "Hikvision",
        "kind": "unknown",
        "chs": 2,
        "lost": 1,
        "by": "address",
    }
    assert outcome.result["devices"][1]["why"] == "locked"


async def test_a_network_outside_the_settings_is_refused_before_anything_is_sent() -> None:
    """Also one that holds a camera network: it is wider."""
    handler = create(fake_dependencies(camera_networks=NETWORKS))

    assert handler.plan(DiscoverArgs(networks=("10.24.9.0/24",))) == {"nets": ["10.24.9.0/24"]}
    for network in ("10.24.0.0/16", "192.168.1.0/24", "fd00::/64"):
        with pytest.raises(MessageRejected):
            handler.plan(DiscoverArgs(networks=(network,)))


async def test_a_second_discovery_is_busy() -> None:
    """The first one's results are in the inventory soon."""

    async def discover(networks: Sequence[Network] | None) -> AsyncGenerator[Item, None]:
        if networks is None:
            raise TransientError(Reason.OVERLOADED, "another")
        yield Progress("done", 0, 0, "", "")

    outcome = await create(fake_dependencies(discover=discover)).run(
        DiscoverArgs(), command_context()
    )

    assert (outcome.state, outcome.code) == ("failed", "busy")
