"""A hijacked site and strangers against the console's server: one of them harms no other."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from gateway.console.server import wall_ms
from gateway.model.health import CameraHealth, Machine
from gateway.model.reasons import Reason
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.health import encode_camera_state
from gateway.mqtt.payloads.presence import encode_online
from gateway.mqtt.topic_tree import COMPRESSED
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.console import run_console

pytestmark = pytest.mark.live

HIJACKED, HONEST = Topics("24", "hijacked"), Topics("24", "bacninh-01")


@asynccontextmanager
async def browser(url: str) -> AsyncIterator[ClientWebSocketResponse]:
    """A browser's connection; it has not read anything yet."""
    origin = f"http://{urlsplit(url).netloc}"
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url + "ws", headers={"Origin": origin}) as socket,
    ):
        yield socket


async def heard_until(socket: ClientWebSocketResponse, gateway: str) -> list[dict[str, Any]]:
    """Return what the browser is told up to the first report of *gateway*."""
    said: list[dict[str, Any]] = []
    async with asyncio.timeout(HANG_S):
        while True:
            said.append(await socket.receive_json())
            if any(each["gw"] == gateway for each in said[-1].get("sites", ())):
                return said


def online(site: Topics, number: int = 1) -> InboundMessage:
    """The presence of *site*."""
    kind, payload = encode_online(Stamp(wall_ms(), 1, number), Machine(version="0.1.0"))
    return InboundMessage(site.presence, payload, False, content_type=kind)


async def test_a_flood_of_one_site_is_dropped_before_it_is_read(broker: Broker) -> None:
    """Of 500 packed reports, each of another camera, most are; another site is shown."""
    flood = []
    for number in range(500):
        camera = f"c{number:03d}"
        _, payload = encode_camera_state(
            Stamp(wall_ms(), 1, number + 2), CameraHealth(camera, "on", Reason.OK, 5.0)
        )
        topic, packed = HIJACKED.camera_state(camera), zlib.compress(payload)
        flood.append(InboundMessage(topic, packed, False, content_type=COMPRESSED))
    heard = [online(HIJACKED), *flood, online(HONEST)]
    async with run_console(broker, heard=heard) as url, browser(url) as socket:
        said = await heard_until(socket, HONEST.gateway)

    rows = {row["gw"]: row for each in said for row in each.get("sites", ())}
    assert len(rows["hijacked"]["cams"]) < 300
    assert "too_many" in rows["hijacked"]["invalid"]
    assert rows["bacninh-01"]["st"] == "on"


async def come_and_go(url: str, times: int) -> None:
    """Connect as a browser and leave, so many times."""
    for _ in range(times):
        async with browser(url):
            pass


async def test_one_client_that_comes_and_goes_is_refused_after_a_while(broker: Broker) -> None:
    """Each time it would be sent the whole country, and be two lines of the log."""
    async with run_console(broker) as url:
        with pytest.raises(WSServerHandshakeError) as caught:
            await come_and_go(url, 200)

    assert caught.value.status == 503


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_control_frames_count_as_well(broker: Broker, kind: str) -> None:
    """Each is read and perhaps answered: who sends 2,000 is disconnected."""
    async with run_console(broker) as url, browser(url) as socket:
        with suppress(ConnectionError):
            for _ in range(2_000):
                await getattr(socket, kind)()
        async with asyncio.timeout(HANG_S):
            async for _ in socket:
                pass

    assert socket.close_code == 1008


async def test_a_ping_is_answered(broker: Broker) -> None:
    """With what it carries (RFC 6455 §5.5.3)."""
    async with run_console(broker) as url, aiohttp.ClientSession() as client:
        headers = {"Origin": f"http://{urlsplit(url).netloc}"}
        async with client.ws_connect(url + "ws", headers=headers, autoping=False) as socket:
            await socket.ping(b"here")
            async with asyncio.timeout(HANG_S):
                while (said := await socket.receive()).type is not WSMsgType.PONG:
                    pass

    assert said.data == b"here"
