"""Builds the way to the centre: the link, the ways it may take, our papers, what waits on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass

from gateway.agent.desired.wanted import WantedBroker
from gateway.agent.parts import broker_of, ways_of
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.mqtt.certificates import Certificates
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link
from gateway.mqtt.outbox import Outbox
from gateway.mqtt.outbox_store import OutboxStore
from gateway.mqtt.outbox_writer import OutboxWriter
from gateway.mqtt.topics import Topics, is_journalled, publication
from gateway.mqtt.tree import ECHO
from gateway.mqtt.ways import Ways
from gateway.mqtt.wire_site import echo
from gateway.ports import Clock, Letter, Publication


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said and heard on a connection; each is called only once one is tried.

    Attributes:
        deliver: Takes each letter.
        will: Made before each connection.
        greet: Said on each.
        farewell: Said before we leave.
        prove: Tries new certificate files beside the connection in use.
    """

    deliver: Callable[[Letter], None]
    will: Callable[[], Publication]
    greet: Callable[[], Iterable[Publication]]
    farewell: Callable[[], Publication]
    prove: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reaching:
    """The parts.

    Attributes:
        topics: Ours.
        epochs: Number connections and messages.
        outbox: Keeps what must not be lost.
        certificates: Ours and the broker's.
        ways: Where the broker is.
        link: The connection.
    """

    topics: Topics
    epochs: Epochs
    outbox: Outbox
    certificates: Certificates
    ways: Ways
    link: Link

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run; outbox and link begin before and end after all others."""
        return self.certificates.run, self.ways.run


def reaching_of(
    settings: Settings,
    secrets: Secrets,
    wanted: WantedBroker | None,
    talk: Talk,
    *,
    boot: str,
    clock: Clock,
) -> Reaching:
    """Return the way to the centre.

    Args:
        settings: Who we are, where the broker is, where things are kept.
        secrets: Where its password is.
        wanted: The broker in place of the settings'.
        talk: What is said and heard.
        boot: Id of the machine's boot.
        clock: Monotonic.

    Raises:
        ConfigRejected: The broker's password cannot be read.
    """
    broker = broker_of(settings, secrets, wanted)
    topics = Topics(settings.gateway.province, settings.gateway.id)
    epochs = Epochs(settings.state.dir / "epoch")
    outbox = Outbox(
        OutboxWriter(OutboxStore(settings.state.dir / "outbox.db"), clock=clock),
        topics=topics,
        epochs=epochs,
        boot=boot,
        ready=lambda: link.pump(),
        clock=clock,
    )
    certificates = Certificates(
        broker.tls,
        events=outbox,
        renew=lambda why: link.renew(why),
        prove=talk.prove,
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
        deliver=talk.deliver,
        will=talk.will,
        greet=talk.greet,
        farewell=talk.farewell,
        clock=clock,
        outbox=outbox,
        events=outbox,
        journalled=is_journalled,
        echo=lambda: publication(ECHO, topics.echo, echo(epochs.stamp())),
    )
    return Reaching(topics, epochs, outbox, certificates, ways, link)
