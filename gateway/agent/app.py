"""The composition root: builds the rooms, joins them, and runs them until told to stop.

Leaving goes from the inside out: cameras and viewers first, so that every session is torn down
and every viewer told, and the link to the centre last, so that it can say that we are offline.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
from itertools import chain

from gateway.agent.commanding import commanding_of, receivers_of
from gateway.agent.commands.catalogue import able
from gateway.agent.contacts import ContactsFile
from gateway.agent.desired.configuration import Configuration
from gateway.agent.desired.judge import Judge
from gateway.agent.desired.kept import KeptConfig
from gateway.agent.desired.standing import Standing as ConfigStanding
from gateway.agent.desired.voice import Voice
from gateway.agent.eyes import Eyes
from gateway.agent.fleet import Fleet
from gateway.agent.inbox import Inbox
from gateway.agent.living import live
from gateway.agent.parts import CameraSources, broker_of, ice_servers, sources_known, ways_of
from gateway.agent.putting import Putting
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.signalling import Signalling
from gateway.agent.signing import Keyring
from gateway.agent.stock_store import StockStore
from gateway.agent.stocktaking import Stocktaking
from gateway.agent.trail import strange
from gateway.agent.watch import watch_over
from gateway.aio.clock import SystemClock
from gateway.aio.heap import Heap
from gateway.codec.decoder import Decoder
from gateway.health.host import machine
from gateway.mqtt.certificates import Certificates
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link
from gateway.mqtt.outbox import Outbox
from gateway.mqtt.outbox_store import OutboxStore
from gateway.mqtt.outbox_writer import OutboxWriter
from gateway.mqtt.topics import Topics, is_journalled, publication
from gateway.mqtt.tree import CONFIG_CONFIRM, CONFIG_DESIRED, ECHO, VIEWER_SAYS
from gateway.mqtt.ways import Ways
from gateway.mqtt.wire_site import Abilities, RtcAbilities, Standing, echo
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
    keys = Keyring(settings.beside(settings.remote.keys))
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
        limits=lambda: fleet.site.limits,
        servers=tuple(ice_servers(settings, secrets)),
        relay_only=settings.webrtc.relay_only,
        forbidden=settings.cameras.networks,
        ended=lambda bye: signalling.ended(bye),
        events=outbox,
    )
    sources = CameraSources(settings, secrets, clock)
    fleet = Fleet(standing.running.site, source=sources, viewers=desk.viewers, clock=clock)
    broker = broker_of(settings, secrets, standing.running.broker)
    certificates = Certificates(
        broker.tls,
        events=outbox,
        renew=lambda why: link.renew(why),
        prove=lambda: putting.prove(),
        clock=clock,
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
        greet=lambda: chain(
            reporter.greeting(),
            voice.greeting(),
            stocktaking.greeting(remembered=link.remembered),
            watch.alarms.greeting(),
            commands.desk.greeting(),
        ),
        farewell=lambda: reporter.farewell(),
        clock=clock,
        outbox=outbox,
        events=outbox,
        journalled=is_journalled,
        echo=lambda: publication(ECHO, topics.echo, echo(epochs.stamp())),
    )
    signalling = Signalling(topics, link, desk, stamp=epochs.stamp, clock=clock)
    voice = Voice(topics, standing, bus=link, events=outbox, stamp=epochs.stamp, clock=clock)
    putting = Putting(settings, secrets, topics, fleet, sources, desk, link, ways, clock)
    configuration = Configuration(
        standing,
        judge=Judge(settings, secrets, verify=lambda tree: keys.verify(tree, "cfg")),
        disk=disk,
        hands=putting.hands,
        voice=voice,
        events=outbox,
        clock=clock,
    )
    inbox = Inbox(
        topics,
        {
            VIEWER_SAYS: lambda _, letter: signalling.deliver(letter),
            CONFIG_DESIRED: lambda _, letter: configuration.deliver(letter),
            CONFIG_CONFIRM: lambda _, letter: configuration.confirm(letter),
            **receivers_of(lambda: commands),
        },
        strange=strange(outbox, clock),
        acknowledge=lambda letter: link.acknowledge(letter),
        clock=clock,
    )
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
        events=outbox,
    )
    decoder = Decoder(clock=clock)
    eyes = Eyes(
        settings.eyes,
        cameras=lambda: (camera.id for camera in fleet.site.cameras),
        find=fleet.find,
        decoder=decoder,
        clock=clock,
    )
    watch = watch_over(
        settings,
        version=box.version,
        topics=topics,
        fleet=fleet,
        stocktaking=stocktaking,
        link=link,
        certificates=certificates,
        configuration=standing.report,
        epochs=epochs,
        outbox=outbox,
        clock=clock,
        doubts=eyes.doubts,
        decoder_deaths=lambda: decoder.deaths,
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
        host=lambda: watch.host.sample,
        bus=link,
        clock=clock,
        standing=lambda: Standing(
            {"cfg": standing.sha, **stocktaking.digests()}, outbox.standing(), certificates.own()
        ),
        heard=lambda: commands.centre.online,
    )
    commands = commanding_of(
        settings,
        secrets,
        topics=topics,
        keys=keys,
        fleet=fleet,
        viewers=desk.viewers,
        photograph=eyes.photograph,
        reporter=reporter,
        stocktaking=stocktaking,
        alarms=watch.alarms.greeting,
        boot=box.boot,
        epochs=epochs,
        bus=link,
        events=outbox,
        clock=clock,
    )
    heap = Heap(ctypes.CDLL(None), clock=clock)
    await live(
        outbox,
        link,
        ways,
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
            configuration.run,
            eyes.run,
            *watch.components,
            *commands.components,
        ),
    )
