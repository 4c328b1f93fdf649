"""What modules ask of each other without seeing each other: clock, source, bus.

Protocols only. Each says who calls, who owns, and how it fails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from gateway.model.event import Event
from gateway.model.media import AccessUnit, ClockReading, SourceCounters, VideoFormat
from gateway.model.signalling import Extend, Offer
from gateway.model.viewing import ViewingPermit


class Clock(Protocol):
    """Monotonic time and waiting; tests move it by hand."""

    def now(self) -> float:
        """Return seconds on a clock that never jumps."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Return after *delay_s* seconds of this clock."""
        ...


class Sink(Protocol):
    """Where a source delivers. Called on the event loop; never blocks, never raises."""

    def on_opened(self, video: VideoFormat) -> None:
        """Note that the source is open and sends *video*. Called once per run, before any unit."""
        ...

    def deliver(self, unit: AccessUnit) -> None:
        """Deliver one access unit."""
        ...


class FastPath(Protocol):
    """The fast path while it relays a stream (`gateway.fastpath`)."""

    @property
    def last_unit_s(self) -> float:
        """When the newest access unit came, on the monotonic clock."""
        ...

    @property
    def keyframe_s(self) -> float:
        """When the newest keyframe came, by the fast path or before; 0 if none ever did."""
        ...

    @property
    def gop_s(self) -> float:
        """Between the last two keyframes; 0 if that is not known."""
        ...

    def sync_counters(self) -> None:
        """Bring the source's counters up to date."""
        ...

    def sync(self) -> None:
        """Bring the counters up to date, and tell the sink what has been relayed meanwhile."""
        ...

    def reclaim(self) -> None:
        """Sync and relay no more; the source goes on without it."""
        ...


class Source(Protocol):
    """One profile of one camera. Lives as long as its configuration; runs at most once at a time.

    The timeline of the delivered units goes on from run to run.
    """

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        ...

    async def run(self, sink: Sink) -> None:
        """Deliver into *sink* until cancelled or broken; either way the camera's session is ended.

        Raises:
            TransientError: The camera is unreachable, full, silent or has hung up.
            PermanentError: The camera will go on refusing us until something is changed.
        """
        ...

    async def check(self) -> None:
        """Ask the camera whether it would play, without playing. Raises as `run` does."""
        ...


@runtime_checkable
class KeyframeSource(Protocol):
    """A source that makes keyframes itself, at once and for certain."""

    def request_keyframe(self) -> bool:
        """Ask for a keyframe soon; False if nobody can be asked now."""
        ...


@runtime_checkable
class TimedSource(Protocol):
    """A source whose camera may tell the time."""

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed last; None: it has not told."""
        ...


@runtime_checkable
class AskableSource(Protocol):
    """A source whose camera can be asked for a keyframe, over the network and perhaps in vain."""

    def want_keyframe(self, newest_s: Callable[[], float | None]) -> None:
        """Have the camera asked, unless a keyframe comes before it may be; returns at once.

        Args:
            newest_s: Returns when the newest keyframe came, on the monotonic clock.
        """
        ...


@runtime_checkable
class TargetRateSource(Protocol):
    """A source that knows at what rate it will send."""

    @property
    def target_bps(self) -> float:
        """Its mean rate, in bits per second."""
        ...


class TranscodingSource(Source, KeyframeSource, TargetRateSource, Protocol):
    """A source that transcodes the stream of another."""

    @property
    def running(self) -> bool:
        """Whether its worker runs now."""
        ...

    @property
    def divisor(self) -> int:
        """One picture of so many is encoded now; 0: it does not run."""
        ...

    @property
    def dropped(self) -> int:
        """Pictures thrown away because it had fallen behind."""
        ...

    @property
    def deaths(self) -> int:
        """Workers that died or had to be killed."""
        ...

    def admit(self) -> str:
        """Let one viewer open it; return why this machine cannot carry it, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message on its way out.

    Attributes:
        topic: Full topic name.
        payload: The bytes to send; empty with *retain* removes the retained message.
        qos: 0 or 1; 2 is used nowhere.
        retain: Whether the broker keeps it.
        expiry_s: MQTT message expiry in whole seconds; None: never.
        path: What happens while it cannot be sent: ``direct`` is dropped when offline, because
            the next birth makes it anew; ``conflated`` waits, at most one per topic, the newest;
            ``outbox`` comes from the disk, again and again until the broker has it, and only the
            outbox sends it.
        content_type: MQTT content type.
        properties: MQTT user properties.
        correlation_data: Of the request that this answers.
        response_topic: Where the answer is wanted.
        record: Number of the outbox's record that this is.
    """

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 1
    retain: bool = False
    expiry_s: int | None = None
    path: Literal["direct", "conflated", "outbox"] = "direct"
    content_type: str = "application/json"
    properties: Mapping[str, str] = field(default_factory=dict)
    correlation_data: bytes | None = None
    response_topic: str | None = None
    record: int | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message that has come in. Nothing in it is to be trusted yet.

    Attributes:
        topic: Full topic name.
        payload: As received.
        retain: Whether the broker had kept it from before we subscribed.
        response_topic: Where the sender wants the answer; input, not instruction.
        correlation_data: To be given back with the answer.
        content_type: MQTT content type; empty if the sender did not say.
        expiry_s: What was left of the message's expiry when it came; None: it has none.
        receipt: By which `Bus.acknowledge` knows it; None: nothing is to be acknowledged.
    """

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None
    content_type: str = ""
    expiry_s: int | None = None
    receipt: tuple[int, int] | None = None


class Bus(Protocol):
    """The way out to the centre."""

    @property
    def connected(self) -> bool:
        """Whether a broker has accepted us and not left since."""
        ...

    def publish(self, message: OutboundMessage) -> None:
        """Publish *message* as soon as possible; returns at once, never raises.

        The order per topic is kept; `OutboundMessage.path` says what happens without a connection.
        """
        ...

    def acknowledge(self, message: InboundMessage) -> None:
        """Acknowledge *message* to the broker, which otherwise sends it again.

        Only messages of journalled topics wait for this; for all others it does nothing. One whose
        connection has ended meanwhile comes again by itself.
        """
        ...


class Events(Protocol):
    """Where events are recorded, to reach the centre in order and without loss."""

    def record(self, event: Event) -> None:
        """Record *event*; returns at once, never raises. It is on the disk soon after."""
        ...


Admit = Callable[[], Awaitable[ViewingPermit]]
"""Returns what a viewer may do; the token that was brought is used up. Raises ViewerRejected."""


class ViewingAuthority(Protocol):
    """Decides who may watch which camera, and for how long."""

    def check(self, offer: Offer) -> Admit:
        """Return what admits the sender of *offer*, if as far as can be said they may watch.

        Raises:
            ViewerRejected: 403: they may not.
        """
        ...

    async def renew(self, extend: Extend, camera: str, permit: ViewingPermit) -> ViewingPermit:
        """Return what the viewer of *camera*, who holds *permit*, may do from now on.

        Raises:
            ViewerRejected: 403: they may go on no longer.
        """
        ...
