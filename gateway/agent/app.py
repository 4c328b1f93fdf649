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
from gateway.agent.desired.configuration import Configuration
from gateway.agent.desired.judge import Judge
from gateway.agent.desired.kept import KeptConfig
from gateway.agent.desired.standing import Standing as ConfigStanding
from gateway.agent.desired.voice import Voice
from gateway.agent.fleet import Fleet
from gateway.agent.inbox import Inbox, Receiver
from gateway.agent.parts import CameraSources, broker_of, ice_servers, sources_known
from gateway.agent.putting import Putting
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
from gateway.model.event import Event
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link, delays
from gateway.mqtt.topics import Topics
from gateway.mqtt.tree import (
    BROADCAST,
    CENTRE_STATE,
    COMMAND,
    CONFIG_CONFIRM,
    CONFIG_DESIRED,
    VIEWER_SAYS,
    Channel,
)
from gateway.mqtt.wire_site import Abilities, RtcAbilities, Standing
from gateway.ports import Clock
from gateway.relay.desk import Desk


async def run(
    settings: Settings, standing: ConfigStanding, disk: KeptConfig, secrets: Secrets
) -> None:
    """Run the gateway until cancelled. Everything is let go when this returns.

    Args:
        settings: Who and where it is.
        standing: What it runs: its cameras, and its broker if that is not the settings'.
        disk: Where the centre's configuration is kept.
        secrets: Where passwords are.

    Raises:
        ConfigRejected: A secret that is needed cannot be read.
    """
    clock = SystemClock()
    events = Unheard()
    keys = Keyring(settings.beside(settings.remote.keys))
    epochs = Epochs(settings.state.dir / "epoch")
    box = machine(importlib.metadata.version("camera-gateway"))
    topics = Topics(settings.gateway.province, settings.gateway.id)
    desk = Desk(
        find=lambda camera: fleet.find(camera),
        limits=lambda: fleet.site.limits,
        servers=tuple(ice_servers(settings, secrets)),
        relay_only=settings.webrtc.relay_only,
        forbidden=settings.cameras.networks,
        ended=lambda bye: signalling.ended(bye),
    )
    sources = CameraSources(settings, secrets, clock)
    fleet = Fleet(standing.running.site, source=sources, viewers=desk.viewers, clock=clock)
    link = Link(
        broker_of(settings, secrets, standing.running.broker),
        client_id=settings.gateway.id,
        subscriptions=topics.inbox,
        deliver=lambda letter: inbox.deliver(letter),
        will=lambda: reporter.will(),
        greet=lambda: chain(
            reporter.greeting(), voice.greeting(), stocktaking.greeting(), commands.greeting()
        ),
        farewell=lambda: reporter.farewell(),
        clock=clock,
    )
    signalling = Signalling(topics, link, desk, stamp=epochs.stamp, clock=clock)
    voice = Voice(topics, standing, bus=link, events=events, stamp=epochs.stamp, clock=clock)
    configuration = Configuration(
        standing,
        judge=Judge(settings, secrets, verify=lambda tree: keys.verify(tree, "cfg")),
        disk=disk,
        hands=Putting(settings, secrets, topics, fleet, sources, desk, link, clock).hands,
        voice=voice,
        events=events,
        clock=clock,
    )
    receivers: dict[Channel, Receiver] = {
        VIEWER_SAYS: lambda _, letter: signalling.deliver(letter),
        CONFIG_DESIRED: lambda _, letter: configuration.deliver(letter),
        CONFIG_CONFIRM: lambda _, letter: configuration.confirm(letter),
        COMMAND: lambda place, letter: commands.deliver(place, letter),
        BROADCAST: lambda place, letter: centre.deliver(place, letter),
        CENTRE_STATE: lambda place, letter: centre.deliver(place, letter),
    }
    inbox = Inbox(topics, receivers, strange=Strangers(topics, events, clock).tell, clock=clock)
    stocktaking = Stocktaking(
        topics,
        sources=sources_known(settings, lambda: fleet.site, box),
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
        site=lambda: fleet.site.name,
        abilities=Abilities(
            rtc=RtcAbilities(codecs=("h264", "h265"), max_sessions=fleet.site.limits.viewers),
            commands=able(settings),
        ),
        epochs=epochs,
        snapshots=fleet.snapshots,
        relay=desk.sample,
        link=lambda: link.sample,
        host=Host(settings.state.dir),
        bus=link,
        clock=clock,
        standing=lambda: Standing(digests={"cfg": standing.sha, **stocktaking.digests()}),
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
            site=lambda: fleet.site,
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
        configuration.run,
        centre.run,
        commands.run,
    )


async def _live(
    link: Link, clock: Clock, *components: Callable[[], Coroutine[None, None, None]]
) -> None:
    """Run *components* and, around them, the link: it is there before they are, and after."""
    async with asyncio.TaskGroup() as outside:
        linking = outside.create_task(_linked(link, clock), name="link")
        async with asyncio.TaskGroup() as inside:
            for run_component in (*components, Systemd(os.environ, clock=clock).run):
                name = run_component.__qualname__.split(".")[0].lower()
                inside.create_task(run_component(), name=name)
        linking.cancel()


async def _linked(link: Link, clock: Clock) -> None:
    """Keep *link*; when it has to go elsewhere, at once and not after a pause."""
    while True:
        link.turned.clear()
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(
                supervise(link.run, name="broker", clock=clock, delays=delays), name="broker"
            )
            await link.turned.wait()
            holding.cancel()


class Unheard:
    """`gateway.ports.Events` that nobody listens to."""

    def record(self, event: Event) -> None:
        """Forget *event*."""
