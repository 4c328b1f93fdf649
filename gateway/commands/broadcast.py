"""What the centre says to all gateways: whether it is there, and that we are to tell all again.

Its absence is no reason to leave the broker: sessions go on, and what has happened is kept. Only
the cameras' health, which nobody would read, is held back. A thousand gateways that are asked at
once answer one after the other, each at its own moment within the time that the centre names.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

import structlog

from gateway.model.errors import MessageRejected
from gateway.mqtt.payloads.command import Broadcast, CentreState, read_small
from gateway.mqtt.topic_tree import BROADCAST
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import Clock, InboundMessage
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.spread import phase_s

WAITING = 16
PENDING = 4
"""Broadcasts that wait for their moment; one more is left alone."""

KNOWN = 64
"""Broadcasts that are recognised when they come again."""

log = structlog.get_logger(__name__)


class BroadcastListener:
    """The centre, as far as it speaks to all.

    Args:
        own: Our topics.
        resend: Tells those sections again.
        clock: Monotonic.
    """

    def __init__(
        self, own: Topics, *, resend: Callable[[Iterable[str]], None], clock: Clock
    ) -> None:
        self._own = own
        self._resend = resend
        self._clock = clock
        self._messages: asyncio.Queue[tuple[ParsedTopic, InboundMessage]] = asyncio.Queue(
            maxsize=WAITING
        )
        self._known: OrderedDict[str, None] = OrderedDict()
        self._pending = 0
        self._epoch = 0
        self._ignored = RateLimitedLog("centre", "messages ignored", clock=clock)
        self.online = True
        """Whether it is there; taken for granted until it has said otherwise."""

    def deliver(self, place: ParsedTopic, message: InboundMessage) -> None:
        """Take a message from the link; returns at once."""
        try:
            self._messages.put_nowait((place, message))
        except asyncio.QueueFull:
            self._ignored.count(message.topic)

    async def run(self) -> None:
        """Do as the centre says until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                place, message = await self._messages.get()
                try:
                    if place.channel is BROADCAST:
                        self._hear(message, group)
                    else:
                        self._note(message)
                except MessageRejected as error:
                    self._ignored.count(f"{message.topic}: {error.detail}")

    def _hear(self, message: InboundMessage, group: asyncio.TaskGroup) -> None:
        said = read_small(Broadcast, message.payload, message.content_type)
        if message.retain or said.id in self._known or self._pending >= PENDING:
            # One that the broker has kept would have us tell everything on each connection.
            self._ignored.count(f"{message.topic}: {said.id}")
            return
        self._known[said.id] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        self._pending += 1
        group.create_task(self._answer(said), name=f"broadcast:{said.id}")

    async def _answer(self, said: Broadcast) -> None:
        await self._clock.sleep(phase_s(self._own.gateway, said.spread_s))
        self._pending -= 1
        log.info("rebirth", id=said.id, sections=said.sections)
        self._resend(said.sections)

    def _note(self, message: InboundMessage) -> None:
        said = read_small(CentreState, message.payload, message.content_type)
        if said.epoch < self._epoch:  # the late will of an earlier connection
            return
        self._epoch = said.epoch
        if said.online != self.online:
            self.online = said.online
            log.info("centre", online=said.online)
