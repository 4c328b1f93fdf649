"""The TURN credentials that browsers get from the console, used at a real coturn."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from gateway.console.settings import Ice
from gateway.model.signalling import IceServer
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S, FastClock
from tests.fixtures.console import run_console
from tests.fixtures.turn import SECRET, Turn
from tests.live.test_turn_server import allocation

pytestmark = pytest.mark.live


def server_of(message: dict[str, Any]) -> IceServer:
    """The one server that a browser was told of."""
    (told,) = message["ice"]
    assert set(told) == {"urls", "username", "credential"}
    return IceServer(tuple(told["urls"]), told["username"], SecretStr(told["credential"]))


async def test_a_browser_gets_credentials_of_its_own_and_new_ones_in_time(
    broker: Broker, turn: Turn, tmp_path: Path
) -> None:
    """They open the relay; half of their hour later others come. The secret is never told."""
    path = tmp_path / "turn.secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    ice = Ice(urls=turn.server("udp").urls, shared_secret_file=path)
    async with (
        run_console(broker, ice=(ice,), clock=FastClock(1_800)) as url,
        ClientSession() as http,
        http.ws_connect(f"{url}ws", headers={"Origin": url.rstrip("/")}) as socket,
        asyncio.timeout(HANG_S),
    ):
        hello = json.loads((await socket.receive()).data)
        seen = [hello]
        while seen[-1]["k"] != "ice":
            seen.append(json.loads((await socket.receive()).data))
        first, second = server_of(hello), server_of(seen[-1])
        for server in (first, second):
            async with allocation(turn, server) as client:
                assert client.relayed_address is not None

    assert str(first.username).endswith(f":{hello['viewer']}")
    assert str(second.username).endswith(f":{hello['viewer']}")
    assert SECRET not in json.dumps(seen)
