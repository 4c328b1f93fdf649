"""What is known about a site, each value with where it came from: the inventory service's result.

What people have declared stands in `gateway.model.survey`; here it stands beside what the
configuration says and what the gateway has seen itself. Times are wall clock, for people.

What is known about a site as a whole: the answers to the form, each with its source.

What the gateway sees of its streams while it does its work: the free part of the inventory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.media import Codec
from gateway.model.names import Profile
from gateway.model.provenance import Origin, Sourced


@dataclass(frozen=True, slots=True)
class Centre:
    """The public service centre."""

    code: Sourced[str] | None = None
    name: Sourced[str] | None = None
    address: Sourced[str] | None = None
    lat: Sourced[float] | None = None
    lon: Sourced[float] | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether recorder or VMS can be reached from the network of the office."""

    ok: Sourced[bool] | None = None
    net: Sourced[str] | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Whether a camera stream leads out into the Internet."""

    declared: Sourced[bool] | None = None
    protocols: Sourced[tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its kind, who runs it, how fast it is."""

    type: Sourced[str] | None = None
    isp: Sourced[str] | None = None
    down_mbps: Sourced[float] | None = None
    up_mbps: Sourced[float] | None = None


@dataclass(frozen=True, slots=True)
class CameraCount:
    """How many cameras there are.

    Attributes:
        declared: By people, all together.
        analog: By people.
        ip: By people.
        configured: In the site document.
        observed: Of those, how many have shown a picture.
    """

    declared: Sourced[int] | None = None
    analog: Sourced[int] | None = None
    ip: Sourced[int] | None = None
    configured: Sourced[int] | None = None
    observed: Sourced[int] | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """The machine that the gateway runs on."""

    version: Sourced[str] | None = None
    os: Sourced[str] | None = None
    arch: Sourced[str] | None = None
    model: Sourced[str] | None = None


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """Section ``site``: the form's questions about the whole."""

    centre: Centre = Centre()
    vms_kind: Sourced[str] | None = None
    central_managed: Sourced[bool] | None = None
    reach_from_office: Reach = Reach()
    exposed: Exposure = Exposure()
    line: Line = Line()
    uplink: Line = Line()
    camera_ip_range: Sourced[tuple[str, ...]] | None = None
    camera_count: CameraCount = CameraCount()
    gateway: Box = Box()


SECTIONS = ("site", "nvr", "cams", "net", "ioc")
"""Those that the broker keeps. Contacts are apart."""

CONTACTS = "contacts"


@dataclass(frozen=True, slots=True)
class RecorderRecord:
    """One recorder or VMS."""

    id: str
    kind: Sourced[str] | None = None
    name: Sourced[str] | None = None
    manufacturer: Sourced[str] | None = None
    model: Sourced[str] | None = None
    firmware: Sourced[str] | None = None
    channels: Sourced[int] | None = None
    ip: Sourced[str] | None = None


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One profile of a camera, as it has been for long enough to count.

    Attributes:
        resolution: ``1920x1080``.
        fps: Pictures per second, a mean, rounded.
        kbps: Received, a mean, rounded.
    """

    profile: Profile
    codec: Sourced[str] | None = None
    resolution: Sourced[str] | None = None
    fps: Sourced[float] | None = None
    kbps: Sourced[int] | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where a camera hangs."""

    text: Sourced[str] | None = None
    lat: Sourced[float] | None = None
    lon: Sourced[float] | None = None


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """One camera."""

    id: str
    name: Sourced[str] | None = None
    type: Sourced[str] | None = None
    manufacturer: Sourced[str] | None = None
    model: Sourced[str] | None = None
    firmware: Sourced[str] | None = None
    location: Location = Location()
    nvr: Sourced[str] | None = None
    channel: Sourced[int] | None = None
    ip: Sourced[str] | None = None
    mac: Sourced[str] | None = None
    enabled: Sourced[bool] | None = None
    streams: tuple[StreamRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A device of the network; all of it is known from one place."""

    id: str
    kind: str
    origin: Origin
    time_ms: int | None = None
    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """Two things that are joined: cameras, recorders, nodes, ``gateway``, ``wan``."""

    ends: tuple[str, str]
    origin: Origin
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """Section ``net``: the network as a graph."""

    nodes: tuple[NodeRecord, ...] = ()
    links: tuple[LinkRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemRecord:
    """An information system of the operation centre (IOC)."""

    name: str
    origin: Origin
    time_ms: int | None = None
    functions: str | None = None
    data_managed: str | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything but the contacts."""

    site: SiteRecord = field(default_factory=SiteRecord)
    recorders: tuple[RecorderRecord, ...] = ()
    cameras: tuple[CameraRecord, ...] = ()
    net: NetworkRecord = NetworkRecord()
    ioc: tuple[SystemRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is no longer what it was.

    Attributes:
        section: Where.
        rev: Of the section that has it.
        at: Place within, as JSON pointer; items are named by their id, not by their number.
        old: None: it was not there.
        new: None: it is no longer there.
        origin: Where the new value came from.
        time_ms: When it was noticed.
        more: For a change that is too large to be told one by one: how many values it is.
    """

    section: str
    rev: int
    at: str
    old: object = None
    new: object = None
    origin: Origin | None = None
    time_ms: int | None = None
    more: int | None = None


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """One stream as the fleet sees it at one moment.

    Attributes:
        camera: Camera id.
        profile: Which of its streams.
        pulling: Whether it is being read now.
        codec: None until known.
        width: In pixels; None until known.
        height: In pixels; None until known.
        units: Access units read since the stream was made.
        received_bytes: Likewise.
    """

    camera: str
    profile: Profile
    pulling: bool = False
    codec: Codec | None = None
    width: int | None = None
    height: int | None = None
    units: int = 0
    received_bytes: int = 0


Observations = Mapping[tuple[str, str], StreamRecord]
"""By camera and profile: what has been so for long enough to count."""
