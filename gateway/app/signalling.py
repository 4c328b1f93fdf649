"""Signalling over MQTT: decodes what viewers send, calls the session manager, publishes answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.model.errors import MessageRejected, ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, Candidates, Extend, Offer, Refusal, SessionKey
from gateway.mqtt import topics
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import (
    GatewayMessage,
    ViewerMessage,
    decode_viewer_message,
    encode_gateway_message,
)
from gateway.mqtt.topic_tree import GATEWAY_SIGNALLING, VIEWER_SIGNALLING
from gateway.mqtt.topics import Topics
from gateway.ports import Bus, Clock, InboundMessage
from gateway.runtime.log_limit import RateLimitedLog
from gateway.webrtc.session_manager import SessionManager

QUEUED = 256
"""Messages that may wait; one more is dropped and counted, and its sender tries again."""


class Signalling:
    """Routes viewers' messages to the session manager, in the order in which they come.

    Args:
        own: The gateway's topics.
        bus: Where answers go.
        session_manager: Answers offers and keeps sessions.
        stamp: Makes the stamp of the next message.
        clock: For the log's pace.
    """

    def __init__(
        self,
        own: Topics,
        bus: Bus,
        session_manager: SessionManager,
        *,
        stamp: Callable[[], Stamp],
        clock: Clock,
    ) -> None:
        self._own = own
        self._bus = bus
        self._session_manager = session_manager
        self._stamp = stamp
        self._messages: asyncio.Queue[InboundMessage] = asyncio.Queue(maxsize=QUEUED)
        self._dropped = RateLimitedLog("signalling", "messages_dropped", clock=clock)
        self._malformed = RateLimitedLog("signalling", "messages_malformed", clock=clock)

    def enqueue(self, message: InboundMessage) -> None:
        """Queue a message of a viewer; returns at once."""
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self._dropped.count(message.topic)

    async def run(self) -> None:
        """Handle messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                received = self._decode(await self._messages.get())
                if received is not None:
                    await self._route(received, group)

    def publish_bye(self, bye: Bye) -> None:
        """Tell a viewer that its session has ended."""
        self._publish(bye.key, bye)

    def _decode(self, message: InboundMessage) -> ViewerMessage | None:
        """Return what a viewer has sent. A malformed message is refused, and None returned."""
        topic = topics.parse_topic(message.topic)
        if (
            message.retain
            or topic is None
            or topic.spec is not VIEWER_SIGNALLING
            or topic.key is None
        ):
            # Nothing for a viewer is ever retained: such a message is old, or not for us.
            self._malformed.count(message.topic)
            return None
        try:
            return decode_viewer_message(topic.key, message.payload, message.content_type)
        except MessageRejected as error:
            self._malformed.count(f"{message.topic}: {error.detail}")
            self._publish(topic.key, Refusal(topic.key, 400, error.reason, error.detail))
            return None

    async def _route(self, received: ViewerMessage, group: asyncio.TaskGroup) -> None:
        match received:
            case Offer():
                group.create_task(self._answer(received), name=f"offer:{received.key}")
            case Candidates():
                await self._session_manager.handle_candidates(received)
            case Extend():
                group.create_task(self._extend(received), name=f"extend:{received.key}")
            case Bye():
                self._session_manager.handle_bye(received)

    async def _answer(self, offer: Offer) -> None:
        try:
            self._publish(offer.key, await self._session_manager.handle_offer(offer))
        except ViewerRejected as error:
            refusal = Refusal(offer.key, error.code, Reason(error.reason), error.detail)
            self._publish(offer.key, refusal)

    async def _extend(self, extend: Extend) -> None:
        try:
            await self._session_manager.handle_extend(extend)
        except ViewerRejected as error:
            refusal = Refusal(extend.key, error.code, Reason(error.reason), error.detail)
            self._publish(extend.key, refusal)

    def _publish(self, key: SessionKey, message: GatewayMessage) -> None:
        payload = encode_gateway_message(self._stamp(), message)
        self._bus.publish(
            topics.build_message(GATEWAY_SIGNALLING, self._own.gateway_signalling(key), payload)
        )
