"""Signalling over MQTT: decodes what viewers send, calls the session manager, publishes answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.model.errors import MessageRejected, ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Bye,
    Candidates,
    Extend,
    Offer,
    Refusal,
    SessionKey,
    SessionStats,
)
from gateway.mqtt import topics
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import (
    GatewayMessage,
    ViewerMessage,
    decode_viewer_message,
    encode_gateway_message,
)
from gateway.mqtt.topic_tree import GATEWAY_SIGNALLING, PLAIN, VIEWER_SIGNALLING
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import Bus, Clock, InboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.fair_share import Bounds, FairQueue
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import RateLimiter
from gateway.webrtc.session_manager import SessionManager

QUEUED = Bounds(total=256, each=128)
"""Messages that may wait, of all viewers and of one: a page of 16 pictures sends a hundred. What is
more is dropped and counted, and its sender tries again."""

MESSAGES_PER_MIN, MESSAGES = 1200, 600
"""Messages of one viewer, a minute and at once. A page that opens 16 pictures sends a hundred in a
second: an offer and a handful of candidates each."""

COUNTS_ONCE_BYTES = 2048
"""A message counts as one for each so many bytes, since reading it costs as much."""

COMPRESSED_WEIGHT = 4
"""One that must be unpacked first counts so many times."""

OFFERS_PER_MIN, OFFERS = 120, 48
"""Offers of one viewer, a minute and at once: three pages of 16 pictures. Each takes keys, sockets,
and an event on the disk."""

WARNINGS_PER_MIN, WARNINGS = 6, 1
"""How often one viewer is told that it sends too much; telling it costs as much as an answer."""


class Signalling:
    """Routes viewers' messages to the session manager, the viewers by turns.

    Each viewer's are handled in the order in which they come.

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
        self._messages: FairQueue[tuple[SessionKey, InboundMessage]] = FairQueue(QUEUED)
        self._message_limiter = RateLimiter(MESSAGES_PER_MIN, MESSAGES, clock=clock)
        self._offer_limiter = RateLimiter(OFFERS_PER_MIN, OFFERS, clock=clock)
        self._warning_limiter = RateLimiter(WARNINGS_PER_MIN, WARNINGS, clock=clock)
        self._excess = RateLimitedLog("signalling", "messages_over_limit", clock=clock)
        self._dropped = RateLimitedLog("signalling", "messages_dropped", clock=clock)
        self._malformed = RateLimitedLog("signalling", "messages_malformed", clock=clock)
        self._ice_ignored = RateLimitedLog("signalling", "offered_ice_ignored", clock=clock)

    def deliver(self, place: ParsedTopic, message: InboundMessage) -> None:
        """Queue a message of a viewer; returns at once. One over its limits is not even read."""
        if message.retain or place.spec is not VIEWER_SIGNALLING or place.key is None:
            # Nothing for a viewer is ever retained: such a message is old, or not for us.
            self._malformed.count(message.topic)
        elif not self._message_limiter.try_acquire(place.key.viewer, _weight(message)):
            self._refuse_excess(place.key, "messages")
        else:
            dropped = self._messages.put(place.key.viewer, (place.key, message))
            if dropped is not None:
                self._dropped.count(dropped[1].topic)

    async def run(self) -> None:
        """Handle messages until cancelled; whatever else is ready runs between two of them."""
        async with asyncio.TaskGroup() as group:
            while True:
                key, message = await self._messages.get()
                try:
                    received = self._decode(key, message)
                    if received is not None:
                        await self._route(received, group)
                except Exception as error:  # ends this message only
                    report_bug("message", error, message.topic)
                await asyncio.sleep(0)  # a queue that is not empty does not let anybody else run

    def tell(self, message: Bye | SessionStats) -> None:
        """Tell a viewer that its session has ended, or how it fares."""
        self._publish(message.key, message)

    def _decode(self, key: SessionKey, message: InboundMessage) -> ViewerMessage | None:
        """Return what a viewer has sent. A malformed message is refused, and None returned."""
        try:
            received = decode_viewer_message(key, message.payload, message.content_type)
        except MessageRejected as error:
            self._malformed.count(f"{message.topic}: {error.detail}")
            self._publish(key, Refusal(key, 400, error.reason, error.detail))
            return None
        if isinstance(received, Offer) and received.ice_offered:
            self._ice_ignored.count(str(received.key))
        return received

    def _refuse_excess(self, key: SessionKey, what: str) -> None:
        """Drop what exceeds a limit: count it, and tell the viewer now and then."""
        self._excess.count(str(key))
        if self._warning_limiter.try_acquire(key.viewer):
            detail = f"too many {what} of this viewer; send fewer and try again in a minute"
            self._publish(key, Refusal(key, 503, Reason.OVERLOADED, detail))

    async def _route(self, received: ViewerMessage, group: asyncio.TaskGroup) -> None:
        match received:
            case Offer() if not self._offer_limiter.try_acquire(received.key.viewer):
                self._refuse_excess(received.key, "offers")
            case Offer():
                handle = partial(self._session_manager.handle_offer, received)
                group.create_task(self._reply(received.key, handle), name=f"offer:{received.key}")
            case Candidates():
                await self._session_manager.handle_candidates(received)
            case Extend():
                extend = partial(self._session_manager.handle_extend, received)
                group.create_task(self._reply(received.key, extend), name=f"extend:{received.key}")
            case Bye():
                self._session_manager.handle_bye(received)

    async def _reply(
        self, key: SessionKey, handle: Callable[[], Awaitable[GatewayMessage | None]]
    ) -> None:
        """Publish what *handle* returns, if anything, or why it refuses."""
        try:
            reply = await handle()
            if reply is not None:
                self._publish(key, reply)
        except ViewerRejected as error:
            self._publish(key, Refusal(key, error.code, Reason(error.reason), error.detail))
        except Exception as error:  # ends this message only
            report_bug("session", error, str(key))
            self._publish(key, _internal_error(key))

    def _publish(self, key: SessionKey, message: GatewayMessage) -> None:
        payload = encode_gateway_message(self._stamp(), message)
        self._bus.publish(
            topics.build_message(GATEWAY_SIGNALLING, self._own.gateway_signalling(key), payload)
        )


def _weight(message: InboundMessage) -> float:
    """Return for how many messages *message* counts."""
    packed = COMPRESSED_WEIGHT if message.content_type not in ("", PLAIN) else 1
    return float(packed * (1 + len(message.payload) // COUNTS_ONCE_BYTES))


def _internal_error(key: SessionKey) -> Refusal:
    return Refusal(key, 500, Reason.INTERNAL_ERROR, "a fault of the gateway's own program")
