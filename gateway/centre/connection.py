"""A connection of the centre's commands to the broker, for as long as one of them takes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.model.errors import BrokerUnavailable
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import SystemClock

UP_WITHIN_S = 30.0
"""How long the broker may take to accept us."""


class CentreConnection:
    """One connection, which ends when the broker refuses a publication: no answer would ever come.

    Args:
        address: Of the broker.
        name: Of the command; its client id begins with it.
        subscriptions: Topic filters.
        on_message: Called with each message.
        greeting: Published whenever the broker has accepted us.
        client_id: By which the broker knows us again, and keeps messages for an hour; None: it
            does not.

    Attributes:
        client: What publishes.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        name: str,
        subscriptions: tuple[str, ...],
        on_message: Callable[[InboundMessage], None],
        greeting: tuple[OutboundMessage, ...] = (),
        client_id: str | None = None,
    ) -> None:
        self._greeting = greeting
        self._refused: asyncio.Queue[Event] = asyncio.Queue(maxsize=1)
        self._up = asyncio.Event()
        self.client = MqttClient(
            address,
            client_id=client_id or f"{name}-{secrets.token_hex(4)}",
            subscriptions=subscriptions,
            on_message=on_message,
            greet=self._greet,
            events=self,
            clock=SystemClock(),
        )

    def record(self, event: Event) -> None:
        """Note the first refusal of a publication; other events are ignored."""
        if event.kind == "publication.refused" and not self._refused.full():
            self._refused.put_nowait(event)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Be connected within.

        Raises:
            BrokerUnavailable: The broker does not accept us, does not answer, or has dropped us.
        """
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(self.client.run(), name="centre")
                refusing = group.create_task(self._end_when_refused(), name="refusals")
                await self._wait_until_up()
                yield
                running.cancel()
                refusing.cancel()
        except BaseExceptionGroup as group_error:
            if len(group_error.exceptions) == 1:  # of the connection, or of the caller
                raise group_error.exceptions[0] from None
            raise

    def _greet(self) -> tuple[OutboundMessage, ...]:
        self._up.set()
        return self._greeting

    async def _wait_until_up(self) -> None:
        try:
            async with asyncio.timeout(UP_WITHIN_S):
                await self._up.wait()
        except TimeoutError:
            raise BrokerUnavailable(Reason.TIMEOUT, "the broker does not answer") from None

    async def _end_when_refused(self) -> None:
        """Wait for a refusal. Raises BrokerUnavailable: it has come."""
        facts = (await self._refused.get()).facts
        detail = f"the broker does not take {facts['topic']}: {facts['why']}"
        raise BrokerUnavailable(Reason.NOT_AUTHORISED, detail)
