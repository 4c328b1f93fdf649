"""The link against a real Mosquitto."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.aio.clock import SystemClock
from gateway.aio.supervise import supervise
from gateway.model.health import Machine
from gateway.model.signalling import SessionKey
from gateway.mqtt import wire_site
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link, delays
from gateway.mqtt.topics import CENTRE_INBOX, PRESENCE, Topics, publication
from gateway.ports import Letter, Publication
from tests.fixtures.broker import Broker, observing

pytestmark = pytest.mark.live

TOPICS = Topics("79", "hcm-q1-01")
KEY = SessionKey("v-op17", "0123456789")


class Site:
    """A gateway reduced to its presence."""

    def __init__(self, address: BrokerAddress, *, keepalive_s: float = 20.0) -> None:
        self.epochs = Epochs(None)
        self.up = asyncio.Event()
        self.letters: asyncio.Queue[Letter] = asyncio.Queue(10_000)
        self.link = Link(
            address,
            client_id=TOPICS.gateway,
            subscriptions=TOPICS.inbox,
            deliver=self.letters.put_nowait,
            will=self._will,
            greet=self._greet,
            farewell=lambda: self._present(wire_site.offline(self.epochs.stamp(), "stopping")),
            clock=SystemClock(),
            keepalive_s=keepalive_s,
        )

    def _will(self) -> Publication:
        return self._present(wire_site.lost(self.epochs.renew()))

    def _greet(self) -> tuple[Publication, ...]:
        self.up.set()
        return (self._present(wire_site.online(self.epochs.stamp(), Machine(version="1"))),)

    def _present(self, sealed: tuple[str, bytes]) -> Publication:
        return publication(PRESENCE, TOPICS.presence, sealed)


@asynccontextmanager
async def living(site: Site) -> AsyncIterator[asyncio.Task[None]]:
    """Have *site* connected; leave in good order."""
    task = asyncio.create_task(site.link.run(), name="site")
    try:
        async with asyncio.timeout(10):
            await site.up.wait()
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def says(state: str) -> Callable[[Letter], bool]:
    def look(letter: Letter) -> bool:
        if letter.topic != TOPICS.presence:
            return False
        return wire_site.read_presence(letter.payload, letter.content_type).state == state

    return look


def presence(letter: Letter) -> wire_site.Presence:
    return wire_site.read_presence(letter.payload, letter.content_type)


async def test_presence_is_online_then_offline_on_a_clean_exit(broker: Broker) -> None:
    """Birth on connecting; the last word before a clean disconnect says that we are stopping."""
    async with observing(broker.address, *CENTRE_INBOX) as centre:
        async with living(Site(broker.address)):
            online = presence(await centre.until(says("online")))
        offline = presence(await centre.until(says("offline")))

    assert (offline.epoch, offline.why) == (online.epoch, "stopping")


async def test_a_restarted_broker_hears_everything_again(broker: Broker) -> None:
    """After kill -9 without persistence: subscribed and present again within 10 s."""
    site = Site(broker.address)
    supervised = asyncio.create_task(
        supervise(site.link.run, name="broker", clock=SystemClock(), delays=delays), name="site"
    )
    async with asyncio.timeout(5):
        await site.up.wait()

    site.up.clear()
    began_s = time.monotonic()
    broker.stop(signal.SIGKILL)
    await broker.start()
    async with asyncio.timeout(10):
        await site.up.wait()
    took_s = time.monotonic() - began_s
    async with observing(broker.address, *CENTRE_INBOX, "cgw/v1/79/hcm-q1-01/dn/#") as centre:
        await centre.until(says("online"))
        centre.link.post(Publication(TOPICS.viewer_says(KEY), b"{}"))
        async with asyncio.timeout(5):
            letter = await site.letters.get()
    supervised.cancel()
    await asyncio.wait([supervised])

    assert letter.topic == TOPICS.viewer_says(KEY)
    assert took_s < 10
