"""The composition root: builds the rooms, joins them, and runs them until told to stop.

Leaving goes from the inside out: cameras and viewers first, so that every session is torn down
and every viewer told, and the link to the centre last, so that it can say that we are offline.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import chain

import structlog

from gateway.agent.commanding import commanding_of, receivers_of
from gateway.agent.commands.catalogue import able
from gateway.agent.contacts import ContactsFile
from gateway.agent.desired.configuration import Configuration
from gateway.agent.desired.judge import Judge
from gateway.agent.desired.kept import KeptConfig
from gateway.agent.desired.standing import Standing as ConfigStanding
from gateway.agent.desired.voice import Voice
from gateway.agent.inbox import Inbox
from gateway.agent.living import live
from gateway.agent.parts import sources_known
from gateway.agent.putting import Putting
from gateway.agent.reaching import Reaching, Talk, reaching_of
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.showing import Showing, showing_of
from gateway.agent.signalling import Signalling
from gateway.agent.signing import Keyring
from gateway.agent.stock_store import StockStore
from gateway.agent.stocktaking import Stocktaking
from gateway.agent.trail import strange
from gateway.agent.watch import Watch, watch_over
from gateway.aio.clock import SystemClock
from gateway.aio.heap import Heap
from gateway.fastpath import COMPILED
from gateway.health.host import machine
from gateway.model.health import Machine
from gateway.model.version import VERSION
from gateway.mqtt.tree import CONFIG_CONFIRM, CONFIG_DESIRED, VIEWER_SAYS
from gateway.mqtt.wire_site import Abilities, RtcAbilities, Standing
from gateway.ports import Clock

log = structlog.get_logger(__name__)


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
    box = machine(VERSION)
    log.info("starting", version=box.version, fast_path="compiled" if COMPILED else "fallback")
    talk = Talk(
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
        prove=lambda: putting.prove(),
    )
    reaching = reaching_of(
        settings, secrets, standing.running.broker, talk, boot=box.boot, clock=clock
    )
    topics, stamp = reaching.topics, reaching.epochs.stamp
    link, outbox = reaching.link, reaching.outbox
    showing = showing_of(
        settings,
        secrets,
        standing.running.site,
        ended=lambda bye: signalling.ended(bye),
        events=outbox,
        clock=clock,
    )
    signalling = Signalling(topics, link, showing.desk, stamp=stamp, clock=clock)
    keys = Keyring(settings.beside(settings.remote.keys))
    voice = Voice(topics, standing, bus=link, events=outbox, stamp=stamp, clock=clock)
    putting = Putting(settings, secrets, showing, reaching, clock)
    configuration = Configuration(
        standing,
        judge=Judge(settings, secrets, verify=lambda tree: keys.verify(tree, "cfg")),
        disk=disk,
        hands=putting.hands,
        voice=voice,
        events=outbox,
        clock=clock,
    )
    stocktaking = _stocktaking(settings, showing, reaching, box, clock)
    watch = watch_over(
        settings, box, showing, reaching, stocktaking, configuration=standing.report, clock=clock
    )
    reporter = _reporter(
        settings,
        showing,
        reaching,
        watch,
        box=box,
        digests=lambda: {"cfg": standing.sha, **stocktaking.digests()},
        heard=lambda: commands.centre.online,
        clock=clock,
    )
    commands = commanding_of(
        settings,
        secrets,
        keys,
        showing,
        reaching,
        reporter,
        stocktaking,
        alarms=watch.alarms.greeting,
        boot=box.boot,
        clock=clock,
    )
    inbox = Inbox(
        topics,
        {
            VIEWER_SAYS: lambda _, letter: signalling.deliver(letter),
            CONFIG_DESIRED: lambda _, letter: configuration.deliver(letter),
            CONFIG_CONFIRM: lambda _, letter: configuration.confirm(letter),
            **receivers_of(commands),
        },
        strange=strange(outbox, clock),
        acknowledge=link.acknowledge,
        clock=clock,
    )
    await live(
        outbox,
        link,
        reaching.ways,
        clock,
        (
            signalling.run,
            reporter.run,
            Heap(ctypes.CDLL(None), clock=clock).run,
            stocktaking.run,
            configuration.run,
            *showing.components,
            *reaching.components,
            *watch.components,
            *commands.components,
        ),
    )


def _stocktaking(
    settings: Settings, showing: Showing, reaching: Reaching, box: Machine, clock: Clock
) -> Stocktaking:
    """Return what keeps the inventory."""
    contacts = ContactsFile(
        settings.state.dir / "contacts.json", allowed=settings.inventory.contacts
    )
    return Stocktaking(
        reaching.topics,
        sources=sources_known(settings, lambda: showing.fleet.site, box),
        streams=showing.fleet.streams,
        contacts=contacts.read,
        store=StockStore(settings.state.dir),
        epochs=reaching.epochs,
        bus=reaching.link,
        clock=clock,
        events=reaching.outbox,
    )


def _reporter(
    settings: Settings,
    showing: Showing,
    reaching: Reaching,
    watch: Watch,
    *,
    box: Machine,
    digests: Callable[[], dict[str, str]],
    heard: Callable[[], bool],
    clock: Clock,
) -> Reporter:
    """Return what tells presence, birth, health and states.

    Args:
        settings: What commands are allowed.
        showing: Cameras and viewers.
        reaching: The way to the centre.
        watch: Looks at the machine.
        box: What it is.
        digests: Of configuration and inventory, for the birth.
        heard: Whether the centre is there.
        clock: Monotonic.
    """
    fleet, link = showing.fleet, reaching.link
    most = fleet.site.limits.viewers
    return Reporter(
        reaching.topics,
        machine=box,
        site=lambda: fleet.site.name,
        abilities=Abilities(
            rtc=RtcAbilities(codecs=("h264", "h265"), max_sessions=most), commands=able(settings)
        ),
        epochs=reaching.epochs,
        snapshots=fleet.snapshots,
        relay=showing.desk.sample,
        link=lambda: link.sample,
        host=lambda: watch.host.sample,
        bus=link,
        clock=clock,
        standing=lambda: Standing(
            digests(), reaching.outbox.standing(), reaching.certificates.own()
        ),
        heard=heard,
        glance=lambda: (fleet.glance(), digests()),
    )
