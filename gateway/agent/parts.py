"""From settings and documents to the parts that rooms are built of: addresses, servers, sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from gateway.agent.loading import policy_of
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.ingest.refused import RefusedSource
from gateway.ingest.rtsp.ledger import LoginLedger
from gateway.ingest.source import RtspSource
from gateway.inventory.sections import Sources
from gateway.model.config import CameraConfig, SiteConfig, StreamConfig
from gateway.model.errors import ConfigRejected
from gateway.model.health import Machine
from gateway.model.observation import Observations
from gateway.model.signalling import IceServer
from gateway.mqtt.broker import BrokerAddress, Tls
from gateway.ports import Clock, Source

log = structlog.get_logger(__name__)


def broker_of(settings: Settings, secrets: Secrets) -> BrokerAddress:
    """Return the broker of *settings*. Raises ConfigRejected: its password cannot be read."""
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


def ways_of(broker: BrokerAddress, settings: Settings) -> tuple[BrokerAddress, ...]:
    """Return *broker*, and the second way to it if *settings* name one."""
    second = settings.broker.second
    if second is None:
        return (broker,)
    return broker, BrokerAddress(
        host=second.host or broker.host,
        port=second.port or 443,
        tls=broker.tls,
        username=broker.username,
        password=broker.password,
        transport=second.transport or "websockets",
        path=second.path,
    )


def ice_servers(settings: Settings, secrets: Secrets) -> Iterator[IceServer]:
    """Yield the STUN and TURN servers of *settings*. Raises as `broker_of`."""
    for index, server in enumerate(settings.webrtc.ice):
        credential = None
        if server.credential is not None:
            at = f"/webrtc/ice/{index}/credential"
            credential = secrets.get(server.credential, at=at, username=server.username)
        yield IceServer(server.urls, server.username, credential)


def sources_known(
    settings: Settings, site: SiteConfig, box: Machine
) -> Callable[[Observations], Sources]:
    """Return what joins all who know something for the inventory to what has been observed."""
    networks = tuple(str(each) for each in settings.cameras.networks)
    return lambda seen: Sources(site, networks, box, seen)


def sources_of(
    settings: Settings, site: SiteConfig, secrets: Secrets, clock: Clock
) -> Callable[[CameraConfig, StreamConfig], Source]:
    """Return what makes the source of one stream; a camera without its secret gets a refusal."""
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
