"""Tries a broker on a second connection, beside the one in use, before it is switched to."""

from __future__ import annotations

import asyncio

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.ports import Clock, InboundMessage

PREFLIGHT_S = 20.0


async def preflight_connect(
    address: BrokerAddress,
    *,
    client_id: str,
    subscription: str,
    clock: Clock,
    within_s: float = PREFLIGHT_S,
) -> None:
    """Return once the broker at *address* has accepted us and a subscription; then leave it.

    Args:
        address: The broker.
        client_id: Not that of the connection in use: it would be thrown out.
        subscription: A filter that we may subscribe to; what comes is dropped.
        clock: Monotonic.
        within_s: How long all of it may take.

    Raises:
        BrokerUnavailable: It has not accepted us.
    """
    accepted = asyncio.Event()

    def greet() -> tuple[()]:
        accepted.set()
        return ()

    client = MqttClient(
        address,
        client_id=client_id,
        subscriptions=(subscription,),
        on_message=_unread,
        greet=greet,
        clock=clock,
    )
    try:
        async with asyncio.timeout(within_s):
            await _accepted(client, accepted)
    except TimeoutError:
        detail = f"{address} took more than {within_s:.0f} s to accept us"
        raise BrokerUnavailable(Reason.TIMEOUT, detail) from None


async def _accepted(client: MqttClient, accepted: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(client.run(), name="broker-trial")
            await accepted.wait()
            running.cancel()
    except BaseExceptionGroup as trouble:
        (error,) = trouble.exceptions
        raise error from None


def _unread(_: InboundMessage) -> None:
    """Drop it: the connection in use receives it, too."""
