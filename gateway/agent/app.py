"""The composition root: builds the rooms, joins them, and runs them until told to stop.

Leaving goes from the inside out: cameras and viewers first, so that every session is torn down
and every viewer told, and the link to the centre last, so that it can say that we are offline.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.metadata
import os
from collections.abc import Callable, Coroutine, Iterable
from itertools import chain

from gateway.agent.contacts import ContactsFile
from gateway.agent.fleet import Fleet
from gateway.agent.inbox import Inbox
from gateway.agent.parts import broker_of, ice_servers, sources_known, sources_of, ways_of
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.signalling import Signalling
from gateway.agent.stock_store import StockStore
from gateway.agent.stocktaking import Stocktaking
from gateway.agent.systemd import Systemd
from gateway.agent.trail import strange
from gateway.aio.clock import SystemClock
from gateway.aio.heap import Heap
from gateway.aio.supervise import supervise
from gateway.health.host import Host, machine
from gateway.model.config import SiteConfig
from gateway.mqtt.certificates import Certificates
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link, delays
from gateway.mqtt.outbox import Outbox
from gateway.mqtt.outbox_store import OutboxStore
from gateway.mqtt.outbox_writer import OutboxWriter
from gateway.mqtt.topics import Topics, is_journalled, publication
from gateway.mqtt.tree import ECHO, VIEWER_SAYS
from gateway.mqtt.ways import Ways
from gateway.mqtt.wire_site import Abilities, RtcAbilities, Standing, echo
from gateway.ports import Clock
from gateway.relay.desk import Desk


async def run(settings: Settings, site: SiteConfig, secrets: Secrets) -> None:
    """Run the gateway until cancelled. Everything is let go when this returns.

    Args:
        settings: Who and where it is.
        site: Its cameras.
        secrets: Where passwords are.

    Raises:
        ConfigRejected: A secret that is needed cannot be read.
    """
    clock = SystemClock()
    epochs = Epochs(settings.state.dir / "epoch")
    box = machine(importlib.metadata.version("camera-gateway"))
    topics = Topics(settings.gateway.province, settings.gateway.id)
    outbox = Outbox(
        OutboxWriter(OutboxStore(settings.state.dir / "outbox.db"), clock=clock),
        topics=topics,
        epochs=epochs,
        boot=box.boot,
        ready=lambda: link.pump(),
        clock=clock,
    )
    desk = Desk(
        find=lambda camera: fleet.find(camera),
        limits=lambda: site.limits,
        servers=tuple(ice_servers(settings, secrets)),
        relay_only=settings.webrtc.relay_only,
        forbidden=settings.cameras.networks,
        ended=lambda bye: signalling.ended(bye),
        events=outbox,
    )
    fleet = Fleet(
        site, source=sources_of(settings, site, secrets, clock), viewers=desk.viewers, clock=clock
    )
    broker = broker_of(settings, secrets)
    certificates = Certificates(
        broker.tls, events=outbox, renew=lambda why: link.renew(why), clock=clock
    )
    ways = Ways(
        *ways_of(broker, settings),
        met=certificates.met,
        renew=lambda why: link.renew(why),
        clock=clock,
    )
    link = Link(
        ways,
        client_id=settings.gateway.id,
        subscriptions=topics.inbox,
        deliver=lambda letter: inbox.deliver(letter),
        will=lambda: reporter.will(),
        greet=lambda: chain(reporter.greeting(), stocktaking.greeting()),
        farewell=lambda: reporter.farewell(),
        clock=clock,
        outbox=outbox,
        events=outbox,
        journalled=is_journalled,
        echo=lambda: publication(ECHO, topics.echo, echo(epochs.stamp())),
    )
    signalling = Signalling(topics, link, desk, stamp=epochs.stamp, clock=clock)
    inbox = Inbox(
        topics,
        {VIEWER_SAYS: lambda _, letter: signalling.deliver(letter)},
        strange=strange(outbox, clock),
        clock=clock,
    )
    stocktaking = Stocktaking(
        topics,
        sources=sources_known(settings, site, box),
        streams=fleet.streams,
        contacts=ContactsFile(
            settings.state.dir / "contacts.json", allowed=settings.inventory.contacts
        ).read,
        store=StockStore(settings.state.dir),
        epochs=epochs,
        bus=link,
        clock=clock,
        events=outbox,
    )
    reporter = Reporter(
        topics,
        machine=box,
        site=site.name,
        abilities=Abilities(
            rtc=RtcAbilities(codecs=("h264", "h265"), max_sessions=site.limits.viewers)
        ),
        epochs=epochs,
        snapshots=fleet.snapshots,
        relay=desk.sample,
        link=lambda: link.sample,
        host=Host(settings.state.dir),
        bus=link,
        clock=clock,
        standing=lambda: Standing(stocktaking.digests(), outbox.standing(), certificates.own()),
    )
    heap = Heap(ctypes.CDLL(None), clock=clock)
    await _live(
        outbox,
        link,
        clock,
        (
            signalling.run,
            desk.run,
            fleet.run,
            reporter.run,
            heap.run,
            stocktaking.run,
            certificates.run,
            ways.run,
        ),
    )


async def _live(
    outbox: Outbox,
    link: Link,
    clock: Clock,
    components: Iterable[Callable[[], Coroutine[None, None, None]]],
) -> None:
    """Run *components*, around them the link, around that the outbox: there before and after."""
    async with asyncio.TaskGroup() as outside:
        keeping = outside.create_task(outbox.run(), name="outbox")
        linking = outside.create_task(
            supervise(link.run, name="broker", clock=clock, delays=delays), name="link"
        )
        async with asyncio.TaskGroup() as inside:
            for run_component in (*components, Systemd(os.environ, clock=clock).run):
                name = run_component.__qualname__.split(".")[0].lower()
                inside.create_task(run_component(), name=name)
        linking.cancel()
        await asyncio.wait((linking,))
        keeping.cancel()
