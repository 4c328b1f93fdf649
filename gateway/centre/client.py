"""Sending a signed configuration to a gateway, and following what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.centre.connection import CentreConnection
from gateway.centre.documents import Decision, sign_decision
from gateway.model.errors import MessageRejected
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.config import Reported, decode_reported
from gateway.mqtt.topic_tree import CONFIG_CONFIRM, CONFIG_DESIRED
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import InboundMessage

QUEUE_SIZE = 256
FINAL = ("applied", "rejected", "rolled_back", "superseded")


class GatewayClient:
    """One gateway, while the broker is connected: documents to it, reports from it."""

    def __init__(
        self, client: MqttClient, topics: Topics, messages: asyncio.Queue[InboundMessage]
    ) -> None:
        self._client = client
        self._topics = topics
        self._messages = messages

    async def status(self, within_s: float) -> Reported | None:
        """Return the gateway's current report; None: none came within *within_s* seconds."""
        try:
            async with asyncio.timeout(within_s):
                return await anext(self.reports())
        except TimeoutError:
            return None

    def push(self, document: Mapping[str, object]) -> None:
        """Send *document*, signed; the broker retains it for a gateway that is offline.

        A refusal by the broker ends the connection.
        """
        self._client.publish(
            build_message(CONFIG_DESIRED, self._topics.config_desired, encode(document))
        )

    def decide(self, document: Mapping[str, object], decision: Decision) -> None:
        """Confirm, cancel or extend *document*, which is in effect."""
        tree = sign_decision(document, decision)
        topic = self._topics.config_confirm
        self._client.publish(build_message(CONFIG_CONFIRM, topic, encode(tree)))

    async def follow(self, document: Mapping[str, object]) -> AsyncIterator[Reported]:
        """Yield the reports about *document* from now on, up to the final one."""
        async for report in self.reports():
            if report.version is not None and report.version != document["ver"]:
                continue
            if report.sha256 not in (None, document["sha256"]):
                continue
            yield report
            if report.state in FINAL:
                return

    async def reports(self) -> AsyncIterator[Reported]:
        """Yield the reports of the gateway; those that cannot be read are ignored."""
        while True:
            message = await self._messages.get()
            try:
                yield decode_reported(message.payload, message.content_type)
            except MessageRejected:
                continue


@asynccontextmanager
async def connect_gateway(
    address: BrokerAddress, *, province: str, gateway: str
) -> AsyncIterator[GatewayClient]:
    """Connect to the broker at *address* and subscribe to the reports of one gateway.

    Raises:
        BrokerUnavailable: The broker does not accept us, does not answer, or has dropped us.
    """
    topics = Topics(province, gateway)
    messages: asyncio.Queue[InboundMessage] = asyncio.Queue(QUEUE_SIZE)

    def enqueue(message: InboundMessage) -> None:
        if not messages.full():
            messages.put_nowait(message)

    connection = CentreConnection(
        address, name="config", subscriptions=(topics.config_reported,), on_message=enqueue
    )
    async with connection.opened():
        yield GatewayClient(connection.client, topics, messages)
