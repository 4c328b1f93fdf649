"""The connection to the broker; the only home of paho.

One `run` is one connection. paho is given a connected socket and driven by the event loop; each
connection has a paho client of its own, so that nothing of an earlier one can be sent again.
Everything that goes wrong is a `BrokerUnavailable`: a gateway never gives its centre up, and
what waiting will not mend has a longer pause.

Sources: MQTT 5.0 (OASIS); docs/mqtt.md.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import structlog

from gateway.aio.tally import Tally
from gateway.model.errors import BrokerUnavailable
from gateway.model.health import LinkSample
from gateway.model.reasons import Reason
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.diagnosis import Suspicion, not_accepted
from gateway.mqtt.dial import Dialler
from gateway.mqtt.link_client import made
from gateway.mqtt.link_session import Session
from gateway.mqtt.window import Window
from gateway.mqtt.wire import PAYLOAD_BYTES
from gateway.ports import Clock, Letter, Publication

KEEPALIVE_S = 20.0
"""A ping after so much silence; its answer must come within half of it again, so that a dead
line is noticed after 30 s."""

CONNECT_S = 15.0
"""From the first lookup to the last SUBACK."""

FAREWELL_S = 1.0
"""How long leaving may take."""

WILL_DELAY_S = 20
"""The centre does not hear of a loss that is mended within this."""

TICK_S = 1.0
"""How often silence is looked at."""

log = structlog.get_logger(__name__)


def delays(first: float = 1.0, ceiling: float = 120.0) -> Iterator[float]:
    """Yield pauses between connections: doubling to *ceiling*, each ±50 % at random.

    A thousand gateways that lose one broker must not come back in step.
    """
    delay = first
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, ceiling)


class Link:
    """`gateway.ports.Bus` over one broker.

    Args:
        address: The broker.
        client_id: The gateway's id, for ever the same: the broker's session hangs on it.
        subscriptions: Filters, subscribed to with QoS 1 on each connection.
        deliver: Called with each letter, in order, on the event loop.
        will: Makes what the broker publishes when we vanish; called for each connection, on a
            thread, before it begins (it may write to the disk).
        greet: Makes what is published first on each connection; called on the event loop.
        farewell: Makes the last word before we leave.
        clock: Monotonic.
        keepalive_s: Shorter in tests.
        will_delay_s: How long the broker holds the will back; shorter in tests.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        subscriptions: Iterable[str],
        deliver: Callable[[Letter], None],
        clock: Clock,
        will: Callable[[], Publication] | None = None,
        greet: Callable[[], Iterable[Publication]] = tuple,
        farewell: Callable[[], Publication] | None = None,
        keepalive_s: float = KEEPALIVE_S,
        will_delay_s: int = WILL_DELAY_S,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._deliver = deliver
        self._will = will
        self._greet = greet
        self._farewell = farewell
        self._keepalive_s = keepalive_s
        self._will_delay_s = will_delay_s
        self._dialler = Dialler(address)
        self._window = Window()
        self._session: Session | None = None
        self._clock = clock
        self.turned = asyncio.Event()
        """Set when the next connection has to go to another broker than this one."""
        self._connects = 0
        self._suspicion = Suspicion()
        self._dropped = Tally("broker", "publication dropped", clock=clock)
        self._refused = Tally("broker", "publication refused", clock=clock)
        self._overflowed = Tally("broker", "letter dropped", clock=clock)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions, and not left since."""
        return self._session is not None

    @property
    def sample(self) -> LinkSample:
        """How the link fares."""
        return LinkSample(
            connects=self._connects,
            waiting=self._window.waiting,
            dropped=self._dropped.total,
            refused=self._refused.total,
        )

    def post(self, publication: Publication) -> None:
        """Hand over *publication*: see `gateway.ports.Bus`."""
        if publication.path == "direct" and self._session is None:
            self._dropped.add(publication.topic)
        elif len(publication.payload) > PAYLOAD_BYTES:
            self._refused.add(f"{publication.topic}: {len(publication.payload)} bytes")
        elif not self._window.offer(publication):
            self._dropped.add(publication.topic)
        self._pump()

    def acknowledge(self, letter: Letter) -> None:
        """Let the broker forget *letter*: see `gateway.ports.Bus`."""

    def turn_to(self, address: BrokerAddress) -> None:
        """Go to the broker at *address* from the next connection on; `turned` asks for one."""
        if address != self._address:
            self._address, self._dialler = address, Dialler(address)
            self.turned.set()

    async def run(self) -> None:
        """Hold one connection until it breaks. When cancelled, say farewell and disconnect.

        Raises:
            BrokerUnavailable: Always, unless cancelled.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                session = await self._connected()
        except TimeoutError:
            detail = f"{self._address} took more than {CONNECT_S:.0f} s to accept us"
            raise BrokerUnavailable(Reason.TIMEOUT, detail) from None
        except BrokerUnavailable as error:
            raise not_accepted(error, self._address.tls) from None
        accepted_s = self._clock.now()
        try:
            self._begin(session)
            await self._serve(session)
        except BrokerUnavailable as error:
            lasted_s = self._clock.now() - accepted_s
            raise self._suspicion.judge(error, hung_up=session.hung_up, lasted_s=lasted_s) from None
        except asyncio.CancelledError:
            await self._leave(session)
            raise
        finally:
            self._session = None
            self._settle(session)
            session.close()
            if lost := self._window.broken():
                self._dropped.add("connection lost", lost)

    async def _connected(self) -> Session:
        will = None if self._will is None else await asyncio.to_thread(self._will)
        client = made(
            self._address,
            client_id=self._client_id,
            will=will,
            keepalive_s=self._keepalive_s,
            will_delay_s=self._will_delay_s,
        )
        session = Session(self._address, client, keepalive_s=self._keepalive_s)
        try:
            await session.open(await self._dialler.dial(), self._subscriptions)
        except BaseException:
            session.close()
            raise
        return session

    def _begin(self, session: Session) -> None:
        self._connects += 1
        log.info("connected", broker=str(self._address), connects=self._connects)
        for publication in self._greet():
            if not self._window.offer(publication):
                self._dropped.add(publication.topic)
        self._session = session
        self._pump()

    async def _serve(self, session: Session) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await session.stirred.wait()
            session.stirred.clear()
            while session.letters:
                self._deliver(session.letters.popleft())
            self._settle(session)
            session.check()
            self._pump()

    def _pump(self) -> None:
        """Hand paho what it may have. Called whenever something was posted or settled."""
        session = self._session
        if session is None:
            return
        while (publication := self._window.next(session.receive_maximum)) is not None:
            if session.fits(publication):
                self._window.sent(session.publish(publication), publication)
            else:
                self._refused.add(f"{publication.topic}: larger than the broker takes")

    def _settle(self, session: Session) -> None:
        while session.settled:
            number, refusal = session.settled.popleft()
            publication = self._window.settled(number)
            if refusal is not None and publication is not None:
                self._refused.add(f"{publication.topic}: {refusal}")
        if session.overflowed:
            self._overflowed.add("", session.overflowed)
            session.overflowed = 0

    async def _leave(self, session: Session) -> None:
        self._session = None  # nothing may follow the farewell
        with suppress(TimeoutError, BrokerUnavailable):
            async with asyncio.timeout(FAREWELL_S):
                await session.leave(None if self._farewell is None else self._farewell())
