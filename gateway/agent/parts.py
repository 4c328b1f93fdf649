"""From settings and documents to the parts that rooms are built of: addresses, servers, sources."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from gateway.agent import durable
from gateway.agent.desired.wanted import WantedBroker
from gateway.agent.loading import policy_of
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.ingest.refused import RefusedSource
from gateway.ingest.rtsp.ledger import LoginLedger
from gateway.ingest.source import RtspSource
from gateway.inventory.sections import Sources
from gateway.model.config import CameraConfig, SiteConfig, StreamConfig
from gateway.model.errors import ConfigRejected, TransientError
from gateway.model.health import Machine
from gateway.model.observation import Observations
from gateway.model.signalling import IceServer
from gateway.mqtt.broker import BrokerAddress, Tls
from gateway.ports import Clock, Source

log = structlog.get_logger(__name__)


def broker_of(
    settings: Settings, secrets: Secrets, wanted: WantedBroker | None = None
) -> BrokerAddress:
    """Return the broker of *settings*, or the one that is *wanted* in its place.

    Raises:
        ConfigRejected: Its password cannot be read.
    """
    broker = settings.broker if wanted is None else wanted
    at = "/broker/password" if wanted is None else "/doc/broker/password"
    tls = None
    if settings.broker.tls is not None:
        ca, cert, key = (
            None if path is None else settings.beside(path)
            for path in (settings.broker.tls.ca, settings.broker.tls.cert, settings.broker.tls.key)
        )
        if wanted is not None and wanted.ca is not None:
            ca = _written(settings.state.dir, wanted.ca)
        tls = Tls(ca_file=ca, cert_file=cert, key_file=key)
    password = None
    if broker.password is not None:
        password = secrets.get(broker.password, at=at, username=broker.username)
    port = settings.broker.model_copy(
        update={"port": broker.port, "transport": broker.transport}
    ).port_in_force
    return BrokerAddress(
        host=broker.host,
        port=port,
        tls=tls,
        username=broker.username,
        password=password,
        transport=broker.transport,
        path=broker.path,
    )


def _written(folder: Path, authorities: str) -> Path:
    """Return a file that holds *authorities*; its name says which they are."""
    content = authorities.encode()
    path = folder / f"broker-ca-{zlib.crc32(content):08x}.pem"
    try:
        if not path.exists() or path.read_bytes() != content:
            durable.replace(path, content)
    except (OSError, TransientError) as error:  # then the connection fails, and says why
        log.error("authorities not written", path=str(path), detail=str(error))
    return path


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
    settings: Settings, site: Callable[[], SiteConfig], box: Machine
) -> Callable[[Observations], Sources]:
    """Return what joins all who know something for the inventory to what has been observed."""
    networks = tuple(str(each) for each in settings.cameras.networks)
    return lambda seen: Sources(site(), networks, box, seen)


class CameraSources:
    """Makes the source of one stream of a site; a camera without its secret gets a refusal.

    Args:
        settings: What may be opened.
        secrets: Where passwords are.
        clock: Monotonic.
    """

    def __init__(self, settings: Settings, secrets: Secrets, clock: Clock) -> None:
        self._policy = policy_of(settings)
        self._secrets = secrets
        self._ledger = LoginLedger(clock)
        self._clock = clock

    def __call__(self, site: SiteConfig, camera: CameraConfig, stream: StreamConfig) -> Source:
        """Return the source of *stream*, one of *camera*'s, one of *site*'s."""
        password = None
        if camera.password is not None:
            at = f"/cameras/{site.cameras.index(camera)}/password"
            try:
                password = self._secrets.get(camera.password, at=at, username=camera.username)
            except ConfigRejected as error:
                log.error("camera without its secret", camera=camera.id, detail=error.detail)
                return RefusedSource(error)
        return RtspSource(
            camera,
            stream,
            password=password,
            policy=self._policy,
            ledger=self._ledger,
            payload_bytes=site.limits.payload_bytes,
            clock=self._clock,
        )

    def forgive(self, camera: CameraConfig) -> None:
        """Count failed logins at the device of *camera* anew: its configuration has changed."""
        for stream in camera.streams:
            self._ledger.forget(camera.device or urlsplit(stream.url).hostname or "")
