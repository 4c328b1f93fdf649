"""Offers in, answers out: what viewers say on the bus, brought to the session manager and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.model.errors import MessageRejected, ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, Candidates, Extend, Offer, Refusal, SessionKey
from gateway.mqtt import topics
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.signalling import FromGateway, FromViewer, from_gateway, read_viewer
from gateway.mqtt.topic_tree import GATEWAY_SAYS, VIEWER_SAYS
from gateway.mqtt.topics import Topics
from gateway.ports import Bus, Clock, InboundMessage
from gateway.runtime.log_limit import RateLimitedLog
from gateway.webrtc.session_manager import SessionManager

WAITING = 256
"""Messages that may wait; one more is dropped and counted, and its sender tries again."""


class Signalling:
    """The viewers' counter of one gateway.

    Args:
        own: The gateway's topics.
        bus: Where answers go.
        session manager: Who decides.
        stamp: Makes the stamp of the next message.
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
        self._messages: asyncio.Queue[InboundMessage] = asyncio.Queue(maxsize=WAITING)
        self._dropped = RateLimitedLog("signalling", "messages dropped", clock=clock)
        self._malformed = RateLimitedLog("signalling", "malformed messages", clock=clock)

    def deliver(self, message: InboundMessage) -> None:
        """Take a message from the link; returns at once."""
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self._dropped.add(message.topic)

    async def run(self) -> None:
        """Answer messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                message = await self._messages.get()
                key, said = self._read(message)
                if key is not None and said is not None:
                    await self._act(key, said, group)

    def ended(self, bye: Bye) -> None:
        """Tell a viewer that its session is over."""
        self._say(bye.key, bye)

    def _read(self, message: InboundMessage) -> tuple[SessionKey | None, FromViewer | None]:
        place = topics.parse(message.topic)
        if message.retain or place is None or place.channel is not VIEWER_SAYS or place.key is None:
            # Nothing for a viewer is ever retained: whatever this is, it is old or not for us.
            self._malformed.add(message.topic)
            return None, None
        try:
            return place.key, read_viewer(place.key, message.payload, message.content_type)
        except MessageRejected as error:
            self._malformed.add(f"{message.topic}: {error.detail}")
            self._say(place.key, Refusal(place.key, 400, error.reason, error.detail))
            return place.key, None

    async def _act(self, key: SessionKey, said: FromViewer, group: asyncio.TaskGroup) -> None:
        match said:
            case Offer():
                group.create_task(self._answer(said), name=f"offer:{key}")
            case Candidates():
                await self._session_manager.add_candidates(said)
            case Extend():
                self._session_manager.extend(said)
            case Bye():
                self._session_manager.leave(said)

    async def _answer(self, offer: Offer) -> None:
        try:
            self._say(offer.key, await self._session_manager.answer(offer))
        except ViewerRejected as refusal:
            why = Refusal(offer.key, refusal.code, Reason(refusal.reason), refusal.detail)
            self._say(offer.key, why)

    def _say(self, key: SessionKey, said: FromGateway) -> None:
        topic = self._own.gateway_says(key)
        self._bus.post(topics.publication(GATEWAY_SAYS, topic, from_gateway(self._stamp(), said)))
