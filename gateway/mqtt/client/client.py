"""The connection to the broker; the only home of paho.

One `run` is one connection. paho is given a connected socket and driven by the event loop; each
connection has a paho client of its own, so that nothing of an earlier one can be sent again.
Everything that goes wrong is a `BrokerUnavailable`: a gateway never gives its centre up, and
what waiting will not mend has a longer pause.

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
from gateway.mqtt.client.connection import MqttConnection
from gateway.mqtt.client.echo import EVERY_S, WITHIN_S, EchoMonitor
from gateway.mqtt.client.failover import BrokerFailover
from gateway.mqtt.client.inflight_window import OutboxSource
from gateway.mqtt.client.paho_client import made
from gateway.mqtt.client.publisher import Publisher
from gateway.mqtt.client.reason_codes import DuplicateIdDetector, not_accepted
from gateway.mqtt.client.stats import ConnectionStats
from gateway.ports import Clock, Events, InboundMessage, OutboundMessage

KEEPALIVE_S = 10.0
"""A ping after so much silence; its answer must come within half of it again, so that a dead
line is noticed after 15 s. A Mosquitto looks every 6 s only, and needs 21."""

CONNECT_S = 15.0
"""From the first lookup to the last SUBACK."""

FAREWELL_S = 1.0
"""How long leaving may take."""

WILL_DELAY_S = 6
"""The centre does not hear of a loss that is mended within this; of any other within 30 s."""

TICK_S = 1.0
"""How often silence is looked at."""


class MqttClient:
    """`gateway.ports.Bus` over one broker.

    Args:
        ways: Where the broker is.
        client_id: The gateway's id, for ever the same: the broker's session hangs on it.
        subscriptions: Filters, subscribed to with QoS 1 on each connection.
        deliver: Called with each message, in order, on the event loop.
        will: Makes what the broker publishes when we vanish; called for each connection, on a
            thread, before it begins (it may write to the disk).
        greet: Makes what is published first on each connection; called on the event loop.
        farewell: Makes the last word before we leave.
        clock: Monotonic.
        keepalive_s: Shorter in tests, as *will_delay_s*: how long the will is held back.
        outbox: Gives what outlives a connection; None: there is nothing.
        events: Is told how connections fare; None: it is only logged.
        journalled: Whether messages of a topic wait for `acknowledge`; no other does.
        echo: Makes what we say to ourselves, at the pace *echo_s*; None: nothing.
    """

    def __init__(
        self,
        failover: BrokerAddress | BrokerFailover,
        *,
        client_id: str,
        subscriptions: Iterable[str],
        deliver: Callable[[InboundMessage], None],
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
        self._ways = (
            failover
            if isinstance(failover, BrokerFailover)
            else BrokerFailover(failover, clock=clock)
        )
        self._client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._deliver = deliver
        self._will = will
        self._greet = greet
        self._farewell = farewell
        self._keepalive_s = keepalive_s
        self._will_delay_s = will_delay_s
        self._journalled = journalled
        self._clock = clock
        self._anew = ""
        self._remembered = False
        self._suspicion = DuplicateIdDetector()
        self._trail = ConnectionStats(events, clock)
        self._echo = EchoMonitor(
            echo, clock=clock, on_echo_missing=self._trail.echo_missing, paces_s=echo_s
        )
        self._traffic = Publisher(outbox, self._trail, taken=self._echo.acknowledged)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions, and not left since."""
        return self._traffic.session is not None

    @property
    def remembered(self) -> bool:
        """Whether the broker knew us when the newest connection began; for those who greet it.

        It keeps our session for an hour. One that has lost it has lost what is retained, too.
        """
        return self._remembered

    @property
    def sample(self) -> LinkSample:
        """How the link fares."""
        trail, traffic, rtt_ms = self._trail, self._traffic, self._echo.rtt_ms
        return LinkSample(
            trail.connects, traffic.waiting, trail.dropped, trail.refused, traffic.oldest_s, rtt_ms
        )

    def post(self, publication: OutboundMessage) -> None:
        """Hand over *publication*: see `gateway.ports.Bus`."""
        self._traffic.post(publication)

    def acknowledge(self, message: InboundMessage) -> None:
        """Let the broker forget *message*: see `gateway.ports.Bus`."""
        connection, number = message.receipt or (0, 0)
        if self._traffic.session is not None and connection == self._trail.connects:
            self._traffic.session.acknowledge(number)

    def pump(self) -> None:
        """Send what may be sent now: there is something new in the outbox."""
        self._traffic.pump()

    async def run(self) -> None:
        """Hold one connection until it breaks. When cancelled, say farewell and disconnect.

        Raises:
            BrokerUnavailable: Always, unless cancelled.
        """
        try:
            session = await self._accepted()
        except BrokerUnavailable as error:
            self._trail.failed(error)
            self._ways.failed()
            raise
        accepted_s = self._clock.now()
        try:
            self._begin(session)
            await self._serve(session)
        except BrokerUnavailable as error:
            lasted_s = self._clock.now() - accepted_s
            known = self._suspicion.judge(error, hung_up=session.hung_up, lasted_s=lasted_s)
            self._trail.down(known)
            self._ways.ended(lasted_s)
            raise known from None
        except asyncio.CancelledError:
            await self._leave(session, None if self._farewell is None else self._farewell())
            raise
        finally:
            self._traffic.end(session)
            session.close()

    def renew(self, why: str) -> None:
        """Make the connection anew, soon; nobody is told that we were away."""
        self._anew = why
        if self._traffic.session is not None:
            self._traffic.session.stirred.set()

    async def _accepted(self) -> MqttConnection:
        address = self._ways.address
        self._anew = ""  # whatever was to be taken up is taken up now
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._connected(address)
        except TimeoutError:
            detail = f"{address} took more than {CONNECT_S:.0f} s to accept us"
            raise BrokerUnavailable(Reason.TIMEOUT, detail) from None
        except BrokerUnavailable as error:
            raise not_accepted(error, address.tls) from None

    async def _connected(self, address: BrokerAddress) -> MqttConnection:
        will = None if self._will is None else await asyncio.to_thread(self._will)
        client = made(
            address,
            client_id=self._client_id,
            will=will,
            keepalive_s=self._keepalive_s,
            will_delay_s=self._will_delay_s,
        )
        session = MqttConnection(address, client, keepalive_s=self._keepalive_s)
        try:
            line = await self._ways.dialler.dial(within_s=CONNECT_S)
            await session.open(line, self._subscriptions)
        except BaseException:
            session.close()
            raise
        return session

    def _begin(self, session: MqttConnection) -> None:
        self._remembered = session.remembered
        for publication in self._greet():
            self._traffic.offer(publication)
        self._traffic.begin(session)
        self._trail.up(str(self._ways.address))
        self._echo.began()
        self._say_to_ourselves()
        self._traffic.pump()

    async def _serve(self, session: MqttConnection) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await session.stirred.wait()
            session.stirred.clear()
            while session.messages:
                self._hand_over(session, *session.messages.popleft())
            self._traffic.settle(session)
            session.check()
            if self._anew:
                await self._leave(session, None)
                raise BrokerUnavailable(Reason.CONNECTING, self._anew)
            self._say_to_ourselves()
            self._traffic.pump()

    def _say_to_ourselves(self) -> None:
        if (said := self._echo.next()) is not None:
            self._traffic.offer(said)

    def _hand_over(self, session: MqttConnection, number: int, message: InboundMessage) -> None:
        if self._echo.heard(message):
            session.acknowledge(number)
        elif number and self._journalled(message.topic):
            self._deliver(replace(message, receipt=(self._trail.connects, number)))
        else:
            self._deliver(message)
            session.acknowledge(number)

    async def _leave(self, session: MqttConnection, farewell: OutboundMessage | None) -> None:
        self._traffic.session = None  # nothing may follow the farewell
        with suppress(TimeoutError, BrokerUnavailable):
            async with asyncio.timeout(FAREWELL_S):
                await session.leave(farewell)
