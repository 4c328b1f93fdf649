"""The inventory of a site: every value with its source.

What people have declared comes from `gateway.model.survey`; beside it are values of the
configuration and what the gateway has observed of its streams. Times are wall clock.
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

    former_province: Sourced[str] | None = None
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
    """Section ``site``: the survey form's questions about the site as a whole."""

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
"""Those that the broker retains. Contacts are sent on request only, and not retained."""

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
    """One profile of a camera, as observed for long enough to be accepted.

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
    """Where a camera is mounted."""

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
    """A device of the network; all its values have one source."""

    id: str
    kind: str
    origin: Origin
    time_ms: int | None = None
    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A device that was found, in its own words, whatever is declared of it.

    Attributes:
        id: Its IP address.
        kind: ``recorder``, ``camera``, ``encoder`` or ``unknown``.
        channels: How many inputs it has; None: it did not tell.
        no_signal: How many of them have no picture.
    """

    id: str
    kind: str
    origin: Origin
    time_ms: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    firmware: str | None = None
    channels: int | None = None
    no_signal: int | None = None


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A connection between two of: cameras, recorders, nodes, ``gateway``, ``wan``."""

    ends: tuple[str, str]
    origin: Origin
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """Section ``net``: the network as a graph, and the devices that were found in it."""

    nodes: tuple[NodeRecord, ...] = ()
    links: tuple[LinkRecord, ...] = ()
    found: tuple[FoundRecord, ...] = ()


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
    """One value of the inventory that has changed.

    Attributes:
        section: In which.
        rev: The section's revision that has the new value.
        at: Place within, as JSON pointer (RFC 6901) with ids in place of indexes.
        old: None: it was not there.
        new: None: it is no longer there.
        origin: Of the new value.
        time_ms: When it was found.
        more: How many values have changed, if they are too many to be listed one by one.
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
    """One stream at one moment.

    Attributes:
        camera: Camera id.
        profile: Which of its streams.
        pulling: Whether it is being read now.
        codec: None until known.
        width: In pixels; None until known.
        height: In pixels; None until known.
        units: Access units read since its source was started.
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
"""(Camera, profile) -> what has been observed for long enough to be accepted."""
