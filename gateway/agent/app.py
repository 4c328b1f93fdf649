"""The composition root: builds the rooms, joins them, and runs them until told to stop.

Leaving goes from the inside out: cameras and viewers first, so that every session is torn down
and every viewer told, and the link to the centre last, so that it can say that we are offline.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.metadata
import os
from collections.abc import Callable, Coroutine, Iterator

import structlog

from gateway.agent.fleet import Fleet
from gateway.agent.loading import policy_of
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.signalling import Signalling
from gateway.agent.systemd import Systemd
from gateway.aio.clock import SystemClock
from gateway.aio.heap import Heap
from gateway.aio.supervise import supervise
from gateway.health.host import Host, machine
from gateway.ingest.refused import RefusedSource
from gateway.ingest.rtsp.ledger import LoginLedger
from gateway.ingest.source import RtspSource
from gateway.model.config import CameraConfig, SiteConfig, StreamConfig
from gateway.model.errors import ConfigRejected
from gateway.model.signalling import IceServer
from gateway.mqtt.broker import BrokerAddress, Tls
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link, delays
from gateway.mqtt.topics import Topics
from gateway.mqtt.wire_site import Abilities, RtcAbilities
from gateway.ports import Clock, Source
from gateway.relay.desk import Desk

log = structlog.get_logger(__name__)


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
    topics = Topics(settings.gateway.province, settings.gateway.id)
    desk = Desk(
        find=lambda camera: fleet.find(camera),
        limits=lambda: site.limits,
        servers=tuple(_ice_servers(settings, secrets)),
        relay_only=settings.webrtc.relay_only,
        forbidden=settings.cameras.networks,
        ended=lambda bye: signalling.ended(bye),
    )
    fleet = Fleet(
        site, source=_sources(settings, site, secrets, clock), viewers=desk.viewers, clock=clock
    )
    link = Link(
        _broker(settings, secrets),
        client_id=settings.gateway.id,
        subscriptions=topics.inbox,
        deliver=lambda letter: signalling.deliver(letter),
        will=lambda: reporter.will(),
        greet=lambda: reporter.greeting(),
        farewell=lambda: reporter.farewell(),
        clock=clock,
    )
    signalling = Signalling(topics, link, desk, stamp=epochs.stamp, clock=clock)
    reporter = Reporter(
        topics,
        machine=machine(importlib.metadata.version("camera-gateway")),
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
    )
    heap = Heap(ctypes.CDLL(None), clock=clock)
    await _live(link, clock, signalling.run, desk.run, fleet.run, reporter.run, heap.run)


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


def _broker(settings: Settings, secrets: Secrets) -> BrokerAddress:
    broker = settings.broker
    tls = None
    if broker.tls is not None:
        ca, cert, key = (
            None if path is None else settings.beside(path)
            for path in (broker.tls.ca, broker.tls.cert, broker.tls.key)
        )
        tls = Tls(ca_file=ca, cert_file=cert, key_file=key)
    password = None
    if broker.password is not None:
        password = secrets.get(broker.password, at="/broker/password", username=broker.username)
    return BrokerAddress(
        host=broker.host,
        port=broker.port_in_force,
        tls=tls,
        username=broker.username,
        password=password,
        transport=broker.transport,
        path=broker.path,
    )


def _ice_servers(settings: Settings, secrets: Secrets) -> Iterator[IceServer]:
    for index, server in enumerate(settings.webrtc.ice):
        credential = None
        if server.credential is not None:
            at = f"/webrtc/ice/{index}/credential"
            credential = secrets.get(server.credential, at=at, username=server.username)
        yield IceServer(server.urls, server.username, credential)


def _sources(
    settings: Settings, site: SiteConfig, secrets: Secrets, clock: Clock
) -> Callable[[CameraConfig, StreamConfig], Source]:
    policy = policy_of(settings)
    ledger = LoginLedger(clock)

    def source(camera: CameraConfig, stream: StreamConfig) -> Source:
        password = None
        if camera.password is not None:
            at = f"/cameras/{site.cameras.index(camera)}/password"
            try:
                password = secrets.get(camera.password, at=at, username=camera.username)
            except ConfigRejected as error:
                log.error("camera without its secret", camera=camera.id, detail=error.detail)
                return RefusedSource(error)
        return RtspSource(
            camera,
            stream,
            password=password,
            policy=policy,
            ledger=ledger,
            payload_bytes=site.limits.payload_bytes,
            clock=clock,
        )

    return source
