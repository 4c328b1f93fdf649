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

from gateway.agent.centre import Centre
from gateway.agent.commands.catalogue import Rooms, able, command_desk, no_photograph
from gateway.agent.contacts import ContactsFile
from gateway.agent.event_log import EventLog
from gateway.agent.fleet import Fleet
from gateway.agent.inbox import Inbox, Receiver
from gateway.agent.parts import broker_of, ice_servers, sources_known, sources_of
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.signalling import Signalling
from gateway.agent.signing import Keyring
from gateway.agent.stock_store import StockStore
from gateway.agent.stocktaking import Stocktaking
from gateway.agent.strangers import Strangers
from gateway.agent.systemd import Systemd
from gateway.aio.clock import SystemClock
from gateway.aio.heap import Heap
from gateway.aio.supervise import supervise
from gateway.health.host import Host, machine
from gateway.model.config import SiteConfig
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link, delays
from gateway.mqtt.topics import Topics
from gateway.mqtt.tree import BROADCAST, CENTRE_STATE, COMMAND, VIEWER_SAYS, Channel
from gateway.mqtt.wire_site import Abilities, RtcAbilities, Standing
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
    events = EventLog()
    keys = Keyring(settings.beside(settings.commands.keys))
    desk = Desk(
        find=lambda camera: fleet.find(camera),
        limits=lambda: site.limits,
        servers=tuple(ice_servers(settings, secrets)),
        relay_only=settings.webrtc.relay_only,
        forbidden=settings.cameras.networks,
        ended=lambda bye: signalling.ended(bye),
    )
    fleet = Fleet(
        site, source=sources_of(settings, site, secrets, clock), viewers=desk.viewers, clock=clock
    )
    link = Link(
        broker_of(settings, secrets),
        client_id=settings.gateway.id,
        subscriptions=topics.inbox,
        deliver=lambda letter: inbox.deliver(letter),
        will=lambda: reporter.will(),
        greet=lambda: chain(reporter.greeting(), stocktaking.greeting(), commands.greeting()),
        farewell=lambda: reporter.farewell(),
        clock=clock,
    )
    signalling = Signalling(topics, link, desk, stamp=epochs.stamp, clock=clock)
    receivers: dict[Channel, Receiver] = {
        VIEWER_SAYS: lambda _, letter: signalling.deliver(letter),
        COMMAND: lambda place, letter: commands.deliver(place, letter),
        BROADCAST: lambda place, letter: centre.deliver(place, letter),
        CENTRE_STATE: lambda place, letter: centre.deliver(place, letter),
    }
    inbox = Inbox(topics, receivers, strange=Strangers(topics, events, clock).tell, clock=clock)
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
    )
    reporter = Reporter(
        topics,
        machine=box,
        site=site.name,
        abilities=Abilities(
            rtc=RtcAbilities(codecs=("h264", "h265"), max_sessions=site.limits.viewers),
            commands=able(settings),
        ),
        epochs=epochs,
        snapshots=fleet.snapshots,
        relay=desk.sample,
        link=lambda: link.sample,
        host=Host(settings.state.dir),
        bus=link,
        clock=clock,
        standing=lambda: Standing(digests=stocktaking.digests()),
        heard=lambda: centre.online,
    )

    def resend(sections: Iterable[str]) -> None:
        asked = tuple(sections)
        for again in reporter.again(asked):
            link.post(again)
        stocktaking.resend(asked)

    centre = Centre(topics, resend=resend, clock=clock)
    commands = command_desk(
        settings,
        secrets,
        Rooms(
            site=lambda: site,
            viewers=desk.viewers,
            restart=fleet.restart,
            resend=resend,
            photograph=no_photograph,
            verify=lambda signed: keys.verify(signed, "cmd"),
        ),
        own=topics,
        stamp=epochs.stamp,
        bus=link,
        events=events,
        boot=box.boot,
        clock=clock,
    )
    heap = Heap(ctypes.CDLL(None), clock=clock)
    await _live(
        link,
        clock,
        signalling.run,
        desk.run,
        fleet.run,
        reporter.run,
        heap.run,
        stocktaking.run,
        centre.run,
        commands.run,
    )


async def _live(
    link: Link, clock: Clock, *components: Callable[[], Coroutine[None, None, None]]
) -> None:
    """Run *components* and, around them, the link: it is there before they are, and after."""
    async with asyncio.TaskGroup() as outside:
        linking = outside.create_task(
            supervise(link.run, name="broker", clock=clock, delays=delays), name="link"
        )
        async with asyncio.TaskGroup() as inside:
            for run_component in (*components, Systemd(os.environ, clock=clock).run):
                name = run_component.__qualname__.split(".")[0].lower()
                inside.create_task(run_component(), name=name)
        linking.cancel()
