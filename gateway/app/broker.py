"""Builds the way to the centre: the client, its brokers, our certificate, what waits on disk."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.app.callbacks import Callbacks
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.enrolment.renewal import RENEWED, Renewal, RenewalFiles
from gateway.model.errors import TransientError
from gateway.mqtt.client.broker import BrokerAddress, Tls, client_id_of
from gateway.mqtt.client.certificates import CertificateWatcher
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.client.failover import BrokerFailover
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.outbox.outbox import Outbox
from gateway.mqtt.outbox.store import OutboxStore
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads.presence import encode_echo
from gateway.mqtt.topic_tree import ECHO
from gateway.mqtt.topics import Topics, build_message, is_journalled
from gateway.ports import Clock
from gateway.remote_config.document import DesiredBroker
from gateway.runtime import atomic_file
from gateway.runtime.repeated_events import RepeatedEvents
from gateway.runtime.trusted_time import TrustedTime

log = structlog.get_logger(__name__)


def broker_address(
    settings: Settings, secrets: Secrets, desired: DesiredBroker | None = None
) -> BrokerAddress:
    """Return the broker of *settings*, or *desired* in its place.

    Raises:
        ConfigRejected: Its password cannot be read.
    """
    broker = settings.broker if desired is None else desired
    tls = None
    if settings.broker.tls is not None:
        ca, cert, key = (
            None if path is None else settings.resolve_path(path)
            for path in (settings.broker.tls.ca, settings.broker.tls.cert, settings.broker.tls.key)
        )
        if desired is not None and desired.ca is not None:
            ca = _write_ca_file(settings.state.dir, desired.ca)
        renewed = None if settings.enrolment.url is None else settings.state.dir / RENEWED
        tls = Tls(ca_file=ca, cert_file=cert, key_file=key, renewed_file=renewed)
    password = None
    if broker.password is not None and desired is None:
        at = "/broker/password"
        password = secrets.load(broker.password, at=at, username=broker.username)
    elif broker.password is not None:
        at = "/doc/broker/password"
        password = secrets.load_for_broker(
            broker.password, broker.host, at=at, username=broker.username
        )
    port = settings.broker.model_copy(
        update={"port": broker.port, "transport": broker.transport}
    ).effective_port
    return BrokerAddress(
        host=broker.host,
        port=port,
        tls=tls,
        username=broker.username,
        password=password,
        transport=broker.transport,
        path=broker.path,
    )


def renewal_of(settings: Settings, *, time: TrustedTime, clock: Clock) -> Renewal | None:
    """Return what renews our certificate; None: it did not come from an enrolment."""
    tls, url = settings.broker.tls, settings.enrolment.url
    if url is None or tls is None or tls.ca is None or tls.cert is None or tls.key is None:
        return None
    files = RenewalFiles(
        settings.resolve_path(tls.cert),
        settings.resolve_path(tls.key),
        settings.resolve_path(tls.ca),
        settings.state.dir / RENEWED,
    )
    return Renewal(url, files, wall_ms=time.now_ms, clock=clock)


def _write_ca_file(folder: Path, authorities: str) -> Path:
    """Return a file that holds *authorities*; its name says which they are."""
    content = authorities.encode()
    path = folder / f"broker-ca-{zlib.crc32(content):08x}.pem"
    try:
        if not path.exists() or path.read_bytes() != content:
            atomic_file.replace(path, content)
    except (OSError, TransientError) as error:  # then the connection fails, and says why
        log.error("authorities_not_written", path=str(path), detail=str(error))
    return path


def broker_addresses(broker: BrokerAddress, settings: Settings) -> tuple[BrokerAddress, ...]:
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


@dataclass(frozen=True, slots=True)
class BrokerComponents:
    """The parts.

    Attributes:
        topics: Ours.
        epochs: Number connections and messages.
        outbox: Keeps what must not be lost.
        refusals: Records in it what strangers can repeat.
        certificates: Ours and the broker's.
        renewal: Of ours; None: it is not renewed.
        failover: Which broker is used.
        client: The MQTT client.
    """

    topics: Topics
    epochs: Epochs
    outbox: Outbox
    refusals: RepeatedEvents
    certificates: CertificateWatcher
    renewal: Renewal | None
    failover: BrokerFailover
    client: MqttClient

    @property
    def runners(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run; outbox and client begin before and end after all others."""
        renewing = () if self.renewal is None else (self.renewal.run,)
        return self.refusals.run, self.certificates.run, *renewing, self.failover.run


def broker_components(
    settings: Settings,
    secrets: Secrets,
    desired: DesiredBroker | None,
    callbacks: Callbacks,
    *,
    boot: str,
    time: TrustedTime,
    clock: Clock,
) -> BrokerComponents:
    """Return the way to the centre.

    Args:
        settings: Who we are, where the broker is, where things are kept.
        secrets: Where its password is.
        desired: The broker in place of the settings'.
        callbacks: What the MQTT client calls.
        boot: Id of the machine's boot.
        time: The wall clock as far as it can be trusted.
        clock: Monotonic.

    Raises:
        ConfigRejected: The broker's password cannot be read.
    """
    broker = broker_address(settings, secrets, desired)
    topics = Topics(settings.gateway.province, settings.gateway.id)
    epochs = Epochs(settings.state.dir / "epoch")
    outbox = Outbox(
        OutboxWriter(OutboxStore(settings.state.dir / "outbox.db"), clock=clock),
        topics=topics,
        epochs=epochs,
        boot=boot,
        on_ready=lambda: client.send_pending(),
        clock=clock,
    )
    certificates = CertificateWatcher(
        broker.tls,
        events=outbox,
        reconnect=lambda why: client.reconnect(why),
        preflight=lambda: callbacks.check_broker(),
        wall_ms=time.now_ms,
        clock=clock,
    )
    failover = BrokerFailover(
        *broker_addresses(broker, settings),
        on_peer_certificate=certificates.on_peer_certificate,
        reconnect=lambda why: client.reconnect(why),
        clock=clock,
    )
    client = MqttClient(
        failover,
        client_id=client_id_of(settings.gateway.id, broker.tls),
        subscriptions=topics.subscriptions,
        on_message=lambda message: callbacks.on_message(message),
        will=lambda: callbacks.will(),
        greet=lambda: callbacks.greet(),
        farewell=lambda: callbacks.farewell(),
        clock=clock,
        outbox=outbox,
        events=outbox,
        journalled=is_journalled,
        echo=lambda: build_message(ECHO, topics.echo, encode_echo(epochs.stamp())),
    )
    refusals = RepeatedEvents(outbox, clock=clock)
    renewal = renewal_of(settings, time=time, clock=clock)
    return BrokerComponents(
        topics, epochs, outbox, refusals, certificates, renewal, failover, client
    )
