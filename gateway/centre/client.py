"""Sending a signed configuration to a gateway, and following what becomes of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.model.errors import BrokerUnavailable, MessageRejected
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.config import Confirm, Reported, encode_confirm, read_reported
from gateway.mqtt.topic_tree import CONFIG_CONFIRM, CONFIG_DESIRED
from gateway.mqtt.topics import Topics, publication
from gateway.ports import InboundMessage
from gateway.runtime.clock import SystemClock

WAITING = 256
FINAL = ("applied", "rejected", "rolled_back", "superseded")


class ConnectionRefusals:
    """Raises what the broker refuses of us: whoever waits for an answer would wait in vain."""

    def __init__(self) -> None:
        self._refused: asyncio.Queue[Event] = asyncio.Queue(maxsize=1)

    def record(self, event: Event) -> None:
        """Take what the link tells; all but the first refusal is passed over."""
        if event.kind == "publication.refused" and not self._refused.full():
            self._refused.put_nowait(event)

    async def run(self) -> None:
        """Wait for a refusal. Raises BrokerUnavailable."""
        facts = (await self._refused.get()).facts
        detail = f"the broker does not take {facts['topic']}: {facts['why']}"
        raise BrokerUnavailable(Reason.NOT_AUTHORISED, detail)


class GatewayClient:
    """What is said to one gateway and heard of it while connected."""

    def __init__(
        self, client: MqttClient, topics: Topics, messages: asyncio.Queue[InboundMessage]
    ) -> None:
        self._link = client
        self._topics = topics
        self._letters = messages

    async def status(self, within_s: float) -> Reported | None:
        """Return the gateway's last word; None: there is none at the broker."""
        try:
            async with asyncio.timeout(within_s):
                return await anext(self.reports())
        except TimeoutError:
            return None

    def push(self, document: Mapping[str, object]) -> None:
        """Send *document*, signed; the broker keeps it for a gateway that is away.

        What the broker does not take ends the connection.
        """
        self._link.post(publication(CONFIG_DESIRED, self._topics.config_desired, encode(document)))

    def confirm(self, document: Mapping[str, object]) -> None:
        """Say that *document*, which the gateway runs, may stay."""
        said = Confirm.model_validate(
            {"ver": document["ver"], "sha256": document["sha256"], "act": "confirm"}
        )
        topic = self._topics.config_confirm
        self._link.post(publication(CONFIG_CONFIRM, topic, encode_confirm(said)))

    async def follow(self, document: Mapping[str, object]) -> AsyncIterator[Reported]:
        """Yield what the gateway reports of *document* from now on, until that is final."""
        async for said in self.reports():
            if said.version is not None and said.version != document["ver"]:
                continue
            if said.sha256 not in (None, document["sha256"]):
                continue
            yield said
            if said.state in FINAL:
                return

    async def reports(self) -> AsyncIterator[Reported]:
        """Yield what the gateway reports; what cannot be read is passed over."""
        while True:
            letter = await self._letters.get()
            try:
                yield read_reported(letter.payload, letter.content_type)
            except MessageRejected:
                continue


@asynccontextmanager
async def connect_gateway(
    address: BrokerAddress, *, province: str, gateway: str
) -> AsyncIterator[GatewayClient]:
    """Be connected to the broker at *address* and listen to one gateway.

    Raises:
        BrokerUnavailable: The broker does not accept us, or has dropped us.
    """
    topics = Topics(province, gateway)
    letters: asyncio.Queue[InboundMessage] = asyncio.Queue(WAITING)
    up, refusals = asyncio.Event(), ConnectionRefusals()

    def greet() -> tuple[()]:
        up.set()
        return ()

    def keep(letter: InboundMessage) -> None:
        if not letters.full():
            letters.put_nowait(letter)

    link = MqttClient(
        address,
        client_id=f"config-{secrets.token_hex(4)}",
        subscriptions=(topics.config_reported,),
        deliver=keep,
        greet=greet,
        events=refusals,
        clock=SystemClock(),
    )
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(link.run(), name="centre")
            refusing = group.create_task(refusals.run(), name="refusals")
            await up.wait()
            yield GatewayClient(link, topics, letters)
            running.cancel()
            refusing.cancel()
    except BaseExceptionGroup as trouble:
        if len(trouble.exceptions) == 1:  # what broke the connection, or the caller's own
            raise trouble.exceptions[0] from None
        raise
