"""What is known about a site, each value with where it came from: the stocktaking's result.

What people have declared stands in `gateway.model.survey`; here it stands beside what the
configuration says and what the gateway has seen itself. Times are wall clock, for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.model.known import Known, Origin
from gateway.model.names import Profile
from gateway.model.site_stock import SiteStock

SECTIONS = ("site", "nvr", "cams", "net", "ioc")
"""Those that the broker keeps. Contacts are apart."""

CONTACTS = "contacts"


@dataclass(frozen=True, slots=True)
class RecorderStock:
    """One recorder or VMS."""

    id: str
    kind: Known[str] | None = None
    name: Known[str] | None = None
    manufacturer: Known[str] | None = None
    model: Known[str] | None = None
    firmware: Known[str] | None = None
    channels: Known[int] | None = None
    ip: Known[str] | None = None


@dataclass(frozen=True, slots=True)
class StreamStock:
    """One profile of a camera, as it has been for long enough to count.

    Attributes:
        resolution: ``1920x1080``.
        fps: Pictures per second, a mean, rounded.
        kbps: Received, a mean, rounded.
    """

    profile: Profile
    codec: Known[str] | None = None
    resolution: Known[str] | None = None
    fps: Known[float] | None = None
    kbps: Known[int] | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where a camera hangs."""

    text: Known[str] | None = None
    lat: Known[float] | None = None
    lon: Known[float] | None = None


@dataclass(frozen=True, slots=True)
class CameraStock:
    """One camera."""

    id: str
    name: Known[str] | None = None
    type: Known[str] | None = None
    manufacturer: Known[str] | None = None
    model: Known[str] | None = None
    firmware: Known[str] | None = None
    location: Location = Location()
    nvr: Known[str] | None = None
    channel: Known[int] | None = None
    ip: Known[str] | None = None
    mac: Known[str] | None = None
    enabled: Known[bool] | None = None
    streams: tuple[StreamStock, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStock:
    """A device of the network; all of it is known from one place."""

    id: str
    kind: str
    origin: Origin
    time_ms: int | None = None
    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class LinkStock:
    """Two things that are joined: cameras, recorders, nodes, ``gateway``, ``wan``."""

    ends: tuple[str, str]
    origin: Origin
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NetStock:
    """Section ``net``: the network as a graph."""

    nodes: tuple[NodeStock, ...] = ()
    links: tuple[LinkStock, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemStock:
    """An information system of the operation centre (IOC)."""

    name: str
    origin: Origin
    time_ms: int | None = None
    functions: str | None = None
    data_managed: str | None = None


@dataclass(frozen=True, slots=True)
class Stock:
    """Everything but the contacts."""

    site: SiteStock = field(default_factory=SiteStock)
    recorders: tuple[RecorderStock, ...] = ()
    cameras: tuple[CameraStock, ...] = ()
    net: NetStock = NetStock()
    ioc: tuple[SystemStock, ...] = ()


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
