"""The MQTT client: one connection after another to one broker.

One `MqttClient.run` is one connection; whoever supervises it calls it again. Each connection has a
paho client of its own, so that nothing of an earlier one can be sent again. Every failure is a
`BrokerUnavailable`, because a gateway never stops trying; what a short wait will not mend has a
longer pause.

Sources: MQTT 5.0 (OASIS); docs/mqtt.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from gateway.model.errors import BrokerUnavailable
from gateway.model.health import LinkSample
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.connection import LOOK_S, MqttConnection
from gateway.mqtt.client.echo import EVERY_S, WITHIN_S, EchoMonitor
from gateway.mqtt.client.failover import BrokerFailover
from gateway.mqtt.client.paho_client import create_client
from gateway.mqtt.client.publisher import Publisher
from gateway.mqtt.client.reason_codes import DuplicateIdDetector, explain_by_certificate
from gateway.mqtt.client.stats import ConnectionStats
from gateway.mqtt.delivery import OutboxSource
from gateway.ports import Clock, Events, InboundMessage, OutboundMessage
from gateway.runtime.lateness import time_limit

KEEPALIVE_S = 10.0
"""A ping after so much silence. Its answer must come within half of it again, so that a dead
connection is noticed after 15 s. Mosquitto checks every 6 s only, and needs 21 s."""

CONNECT_S = 15.0
"""From the first lookup to the last SUBACK."""

FAREWELL_S = 1.0
"""How long leaving may take."""

WILL_DELAY_S = 6
"""The broker holds the will back for so long: the centre is not told of a shorter loss, and of any
other within 30 s."""

TICK_S = LOOK_S
"""How often the connection is checked for silence."""


class MqttClient:
    """Publishes and receives over one broker; implements `gateway.ports.Bus`.

    Args:
        broker: Where the broker is.
        client_id: See `client_id_of`. It never changes: the broker keeps the session under it.
        subscriptions: Filters, subscribed to with QoS 1 on each connection.
        on_message: Called with each message, in order, on the event loop.
        will: Returns what the broker publishes when we vanish; called before each connection, on a
            thread (it may write to the disk).
        greet: Returns what is published first on each connection; called on the event loop.
        farewell: Returns the last message before we disconnect.
        clock: Monotonic.
        keepalive_s: Shorter in tests, as *will_delay_s*: how long the will is held back.
        outbox: Where messages come from that outlive a connection; None: there are none.
        events: Where connections and losses are recorded; None: they are only logged.
        journalled: Whether messages of a topic wait for `acknowledge`; no other does.
        echo: Returns an echo message, see `EchoMonitor`; *echo_s* is its timing. None: none is
            sent.
    """

    def __init__(
        self,
        broker: BrokerAddress | BrokerFailover,
        *,
        client_id: str,
        subscriptions: Iterable[str],
        on_message: Callable[[InboundMessage], None],
        clock: Clock,
        will: Callable[[], OutboundMessage] | None = None,
        greet: Callable[[], Iterable[OutboundMessage]] = tuple,
        farewell: Callable[[], OutboundMessage] | None = None,
        keepalive_s: float = KEEPALIVE_S,
        will_delay_s: int = WILL_DELAY_S,
        outbox: OutboxSource | None = None,
        events: Events | None = None,
        journalled: Callable[[str], bool] = lambda _: False,
        echo: Callable[[], OutboundMessage] | None = None,
        echo_s: tuple[float, float] = (EVERY_S, WITHIN_S),
    ) -> None:
        self._failover = (
            broker if isinstance(broker, BrokerFailover) else BrokerFailover(broker, clock=clock)
        )
        self.client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._will = will
        self._greet = greet
        self._farewell = farewell
        self._keepalive_s = keepalive_s
        self._will_delay_s = will_delay_s
        self._journalled = journalled
        self._clock = clock
        self._reconnect_reason = ""
        self._session_present = False
        self._duplicate_id = DuplicateIdDetector()
        self._stats = ConnectionStats(events, clock)
        self._echo = EchoMonitor(
            echo, clock=clock, on_missing=self._stats.on_echo_missing, timing_s=echo_s
        )
        self._publisher = Publisher(outbox, self._stats, on_acknowledged=self._echo.on_acknowledged)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions, and not left since."""
        return self._publisher.connection is not None

    @property
    def session_present(self) -> bool:
        """Whether the broker still had our session when the newest connection began.

        It keeps it for an hour. One that has lost it has lost the retained messages, too.
        """
        return self._session_present

    @property
    def sample(self) -> LinkSample:
        """Counters of the connection, for the health report."""
        stats, publisher, rtt_ms = self._stats, self._publisher, self._echo.rtt_ms
        return LinkSample(
            stats.connects,
            publisher.waiting,
            stats.dropped,
            stats.refused,
            publisher.oldest_s,
            rtt_ms,
        )

    def publish(self, message: OutboundMessage) -> None:
        """Publish *message*: see `gateway.ports.Bus`."""
        self._publisher.publish(message)

    def acknowledge(self, message: InboundMessage) -> None:
        """Acknowledge *message* to the broker: see `gateway.ports.Bus`."""
        connection, number = message.receipt or (0, 0)
        if self._publisher.connection is not None and connection == self._stats.connects:
            self._publisher.connection.acknowledge(number)

    def send_pending(self) -> None:
        """Send what may be sent now. The outbox calls it when it has something new."""
        self._publisher.send_pending()

    async def run(self) -> None:
        """Hold one connection until it ends. When cancelled, publish the farewell and disconnect.

        Raises:
            BrokerUnavailable: Always, unless cancelled.
        """
        try:
            connection = await self._connect()
        except BrokerUnavailable as error:
            self._stats.on_connect_failed(error)
            self._failover.on_connect_failed()
            raise
        accepted_s = self._clock.now()
        try:
            self._start(connection)
            await self._serve(connection)
        except BrokerUnavailable as error:
            lasted_s = self._clock.now() - accepted_s
            explained = self._duplicate_id.explain(
                error, closed_silently=connection.closed_silently, lasted_s=lasted_s
            )
            self._stats.on_connection_lost(explained)
            self._failover.on_connection_lost(lasted_s)
            raise explained from None
        except asyncio.CancelledError:
            await self._disconnect(connection, None if self._farewell is None else self._farewell())
            raise
        finally:
            self._publisher.end(connection)
            connection.close()

    def reconnect(self, reason: str) -> None:
        """Disconnect soon, so that the next `run` connects again; the will is not published."""
        self._reconnect_reason = reason
        if self._publisher.connection is not None:
            self._publisher.connection.wakeup.set()

    async def _connect(self) -> MqttConnection:
        address = self._failover.address
        self._reconnect_reason = ""  # this connection has what was to be changed
        try:
            async with time_limit(CONNECT_S):
                return await self._open_connection(address)
        except TimeoutError:
            detail = f"{address} took more than {CONNECT_S:.0f} s to accept us"
            raise BrokerUnavailable(Reason.TIMEOUT, detail) from None
        except BrokerUnavailable as error:
            raise explain_by_certificate(error, address.tls) from None

    async def _open_connection(self, address: BrokerAddress) -> MqttConnection:
        will = None if self._will is None else await asyncio.to_thread(self._will)
        client = create_client(
            address,
            client_id=self.client_id,
            will=will,
            keepalive_s=self._keepalive_s,
            will_delay_s=self._will_delay_s,
        )
        connection = MqttConnection(address, client, keepalive_s=self._keepalive_s)
        try:
            line = await self._failover.dialer.dial(within_s=CONNECT_S)
            await connection.open(line, self._subscriptions)
        except BaseException:
            connection.close()
            raise
        return connection

    def _start(self, connection: MqttConnection) -> None:
        self._session_present = connection.session_present
        for message in self._greet():
            self._publisher.enqueue(message)
        self._publisher.start(connection)
        self._stats.on_connected(str(self._failover.address))
        self._echo.start()
        self._send_echo()
        self._publisher.send_pending()

    async def _serve(self, connection: MqttConnection) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await connection.wakeup.wait()
            connection.wakeup.clear()
            while connection.messages:
                self._dispatch(connection, *connection.messages.popleft())
            self._publisher.process_acknowledgements(connection)
            connection.check_alive()
            self._echo.forgive(connection.late_s)
            if self._reconnect_reason:
                await self._disconnect(connection, None)
                raise BrokerUnavailable(Reason.CONNECTING, self._reconnect_reason)
            self._send_echo()
            self._publisher.send_pending()

    def _send_echo(self) -> None:
        if (message := self._echo.next_echo()) is not None:
            self._publisher.enqueue(message)

    def _dispatch(self, connection: MqttConnection, number: int, message: InboundMessage) -> None:
        if self._echo.receive(message):
            connection.acknowledge(number)
        elif number and self._journalled(message.topic):
            self._on_message(replace(message, receipt=(self._stats.connects, number)))
        else:
            self._on_message(message)
            connection.acknowledge(number)

    async def _disconnect(
        self, connection: MqttConnection, farewell: OutboundMessage | None
    ) -> None:
        self._publisher.connection = None  # nothing may follow the farewell
        with suppress(TimeoutError, BrokerUnavailable):
            async with asyncio.timeout(FAREWELL_S):
                await connection.disconnect(farewell)
