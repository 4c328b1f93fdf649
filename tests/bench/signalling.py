"""Signalling between viewers and the measured relays: one class per dialect.

A dialect has a name that can be passed to another process: ``mqtt:PORT``, ``whep:URL`` with
``{camera}`` in it, ``janus:URL``, ``whip:PORT``.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from gateway.model.signalling import Answer, Bye, Offer, Refusal, SessionKey
from gateway.mqtt import topics
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import decode_gateway_message, encode_viewer_message
from gateway.mqtt.topic_tree import VIEWER_SIGNALLING
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import InboundMessage
from gateway.runtime.clock import SystemClock

GATEWAY = "bench-site"
PROVINCE = "79"
ANSWER_S = 30.0
_SDP = {"Content-Type": "application/sdp"}


class Viewer(Protocol):
    """The end that watches: an aiortc peer, or a browser's page."""

    async def offer(self) -> str:
        """Return its offer, candidates included."""

    async def accept(self, answer: str) -> None:
        """Take the answer to its offer."""

    async def answer(self, offer: str) -> str:
        """Return its answer to a relay that offers."""


class Dialect(Protocol):
    """One way to agree."""

    async def connect(self, camera: int, viewer: Viewer) -> None:
        """Let *viewer* watch camera number *camera*."""

    async def close(self) -> None:
        """Hang up whatever still hangs."""


class Mqtt:
    """Ours: the viewer offers over MQTT (docs/mqtt.md)."""

    def __init__(self, port: int) -> None:
        self._own = Topics(PROVINCE, GATEWAY)
        self._answers: dict[SessionKey, asyncio.Future[str]] = {}
        self._keys: list[SessionKey] = []
        self._online = asyncio.Event()
        self._visit = time.monotonic_ns()
        self._link = MqttClient(
            BrokerAddress(host="127.0.0.1", port=port),
            client_id=f"bench-{self._visit}",
            subscriptions=(self._own.gateway_signalling(SessionKey("+", "+")), self._own.presence),
            on_message=self._deliver,
            clock=SystemClock(),
        )
        self._linking = asyncio.create_task(self._link.run(), name="bench-link")

    def _deliver(self, message: InboundMessage) -> None:
        if message.topic == self._own.presence:
            self._online.set()
        topic = topics.parse_topic(message.topic)
        if topic is None or topic.key not in self._answers:
            return
        waiting = self._answers[topic.key]
        match decode_gateway_message(topic.key, message.payload, message.content_type):
            case Answer(sdp=sdp) if not waiting.done():
                waiting.set_result(sdp)
            case Refusal() as refusal if not waiting.done():
                waiting.set_exception(RuntimeError(f"refused: {refusal}"))
            case _:
                pass

    async def connect(self, camera: int, viewer: Viewer) -> None:
        """Offer and take the answer."""
        async with asyncio.timeout(ANSWER_S):
            await self._online.wait()
            offer = await viewer.offer()
            key = SessionKey("v-bench", f"s-{self._visit}-{len(self._keys)}")
            self._keys.append(key)
            self._answers[key] = asyncio.get_running_loop().create_future()
            self._say(key, Offer(key, f"c{camera:03d}", offer))
            await viewer.accept(await self._answers[key])

    def _say(self, key: SessionKey, message: Offer | Bye) -> None:
        stamp = Stamp(time.time_ns() // 1_000_000, 1, time.monotonic_ns() // 1000)
        sealed = encode_viewer_message(stamp, message)
        self._link.publish(
            build_message(VIEWER_SIGNALLING, self._own.viewer_signalling(key), sealed)
        )

    async def close(self) -> None:
        """Leave the broker; the gateway notices that the viewers are gone."""
        self._linking.cancel()
        with suppress(asyncio.CancelledError):
            await self._linking


class Whep:
    """WHEP: the viewer's offer is posted, the response is the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))

    async def connect(self, camera: int, viewer: Viewer) -> None:
        """Offer and take the answer."""
        offer = await viewer.offer()
        url = self._url.replace("{camera}", str(camera))
        async with self._http.post(url, data=offer.encode(), headers=_SDP) as response:
            text = await response.text()
            if response.status not in (200, 201):
                raise RuntimeError(f"{url} answers {response.status}: {text[:200]}")
        await viewer.accept(text)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


class Janus:
    """Janus' own REST interface: the server offers, the viewer answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession()
        self._session = ""
        self._offers: dict[int, asyncio.Future[str]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def _ask(self, url: str, **body: Any) -> dict[str, Any]:
        async with self._http.post(url, json={"transaction": "bench", **body}) as response:
            answer: dict[str, Any] = await response.json()
        if answer.get("janus") not in ("success", "ack"):
            raise RuntimeError(f"Janus: {answer}")
        return answer

    async def _poll(self) -> None:
        while True:
            async with self._http.get(f"{self._session}?maxev=1") as response:
                event: dict[str, Any] = await response.json()
            waiting = self._offers.get(event.get("sender", 0))
            if waiting is not None and not waiting.done() and "jsep" in event:
                waiting.set_result(event["jsep"]["sdp"])

    async def connect(self, camera: int, viewer: Viewer) -> None:
        """Ask for the stream, answer its offer."""
        if not self._session:
            made = await self._ask(self._url, janus="create")
            self._session = f"{self._url}/{made['data']['id']}"
            self._polling = asyncio.create_task(self._poll(), name="bench-janus-poll")
        made = await self._ask(self._session, janus="attach", plugin="janus.plugin.streaming")
        number = made["data"]["id"]
        handle = f"{self._session}/{number}"
        self._offers[number] = asyncio.get_running_loop().create_future()
        body = {"request": "watch", "id": camera + 1}
        await self._ask(handle, janus="message", body=body)
        async with asyncio.timeout(ANSWER_S):
            answer = await viewer.answer(await self._offers[number])
        jsep = {"type": "answer", "sdp": answer}
        await self._ask(handle, janus="message", body={"request": "start"}, jsep=jsep)

    async def close(self) -> None:
        """End the session with all its handles."""
        if self._polling is not None:
            self._polling.cancel()
            await self._ask(self._session, janus="destroy")
        await self._http.close()


class Whip:
    """WHIP, from the receiving side (RFC 9725): the relay posts its offers to us."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._posted: dict[int, asyncio.Future[str]] = {}
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._runner: web.AppRunner | None = None
        self._viewers = 0

    async def _post(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        self._slot(self._posted, number).set_result(await request.text())
        answer = await self._slot(self._answers, number)
        return web.Response(status=201, text=answer, headers=_SDP | {"Location": f"/whip/{number}"})

    async def _delete(self, _: web.Request) -> web.Response:
        return web.Response()

    def _slot(self, slots: dict[int, asyncio.Future[str]], number: int) -> asyncio.Future[str]:
        return slots.setdefault(number, asyncio.get_running_loop().create_future())

    async def connect(self, camera: int, viewer: Viewer) -> None:  # noqa: ARG002 (the relay knows)
        """Answer the offer of the next publisher."""
        if self._runner is None:
            app = web.Application()
            app.router.add_post("/whip/{number}", self._post)
            app.router.add_delete("/whip/{number}", self._delete)
            self._runner = web.AppRunner(app)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        number = self._viewers
        self._viewers += 1
        async with asyncio.timeout(ANSWER_S):
            offer = await self._slot(self._posted, number)
        self._slot(self._answers, number).set_result(await viewer.answer(offer))

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()


def dialect(word: str) -> Dialect:
    """Return the dialect named by *word*."""
    kind, _, rest = word.partition(":")
    match kind:
        case "mqtt":
            return Mqtt(int(rest))
        case "whep":
            return Whep(rest)
        case "janus":
            return Janus(rest)
        case "whip":
            return Whip(int(rest))
    raise ValueError(f"no dialect {json.dumps(kind)}")
