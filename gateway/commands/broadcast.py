"""Broadcasts of the centre to all gateways: whether it is online, and requests to publish again.

While the centre is offline, sessions go on and events are stored; only the cameras' health is held
back, since nobody would read it. Gateways that receive the same request answer spread over the time
that it names, each at its own moment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

import structlog

from gateway.model.errors import MessageRejected
from gateway.mqtt.payloads.command import Broadcast, CentreState, decode_small
from gateway.mqtt.topic_tree import BROADCAST
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import Clock, InboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.spread import phase_s

QUEUED = 16
"""Messages that may wait to be handled; more are dropped."""

PENDING = 4
"""Requests that wait for their moment; more are ignored."""

KNOWN = 64
"""Ids of requests that are recognised when they come again."""

log = structlog.get_logger(__name__)


class BroadcastListener:
    """Handles what the centre publishes to all.

    Args:
        own: Our topics.
        resend: Publishes the named sections again.
        clock: Monotonic.

    Attributes:
        online: Whether the centre is; assumed until it publishes its state.
    """

    def __init__(
        self, own: Topics, *, resend: Callable[[Iterable[str]], None], clock: Clock
    ) -> None:
        self._own = own
        self._resend = resend
        self._clock = clock
        self._queue: asyncio.Queue[tuple[ParsedTopic, InboundMessage]] = asyncio.Queue(
            maxsize=QUEUED
        )
        self._known: OrderedDict[str, None] = OrderedDict()
        self._pending = 0
        self._epoch = 0
        self._ignored = RateLimitedLog("centre", "messages ignored", clock=clock)
        self.online = True

    def deliver(self, place: ParsedTopic, message: InboundMessage) -> None:
        """Queue a message of the MQTT client; returns at once. A full queue drops it."""
        try:
            self._queue.put_nowait((place, message))
        except asyncio.QueueFull:
            self._ignored.count(message.topic)

    async def run(self) -> None:
        """Handle messages until cancelled; one that is not valid is counted in the log."""
        async with asyncio.TaskGroup() as group:
            while True:
                place, message = await self._queue.get()
                try:
                    if place.spec is BROADCAST:
                        self._on_broadcast(message, group)
                    else:
                        self._on_centre_state(message)
                except MessageRejected as error:
                    self._ignored.count(f"{message.topic}: {error.detail}")
                except Exception as error:  # ends this message only
                    report_bug("message", error, message.topic)

    def _on_broadcast(self, message: InboundMessage, group: asyncio.TaskGroup) -> None:
        broadcast = decode_small(Broadcast, message.payload, message.content_type)
        if message.retain or broadcast.id in self._known or self._pending >= PENDING:
            # A retained one would make us publish everything on each connection.
            self._ignored.count(f"{message.topic}: {broadcast.id}")
            return
        self._known[broadcast.id] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        self._pending += 1
        group.create_task(self._rebirth(broadcast), name=f"broadcast:{broadcast.id}")

    async def _rebirth(self, broadcast: Broadcast) -> None:
        await self._clock.sleep(phase_s(self._own.gateway, broadcast.spread_s))
        self._pending -= 1
        log.info("rebirth_requested", id=broadcast.id, sections=broadcast.sections)
        try:
            self._resend(broadcast.sections)
        except Exception as error:  # ends this message only
            report_bug("message", error, broadcast.id)

    def _on_centre_state(self, message: InboundMessage) -> None:
        state = decode_small(CentreState, message.payload, message.content_type)
        if state.epoch < self._epoch:  # the late will of an earlier connection
            return
        self._epoch = state.epoch
        if state.online != self.online:
            self.online = state.online
            log.info("centre_state_changed", online=state.online)
