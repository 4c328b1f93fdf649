"""What people have declared about a site: the survey form of dispatch 10362, field by field.

It is the ``inventory`` part of the site document. Everything in it is optional: what is not known
is left out, and that is not the same as "no". Contacts are not in it: they are personal, and the
broker holds the site document while it is on its way.

Source: Appendix of dispatch 10362/VPCP-KSTT (10 December 2020), parts II and III.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Container, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.model.document import Document, mistake, repeated
from gateway.model.names import CameraId, DeviceId, ProvinceCode

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Latitude = Annotated[float, Field(ge=-90, le=90), AfterValidator(lambda it: round(it, 6))]
Longitude = Annotated[float, Field(ge=-180, le=180), AfterValidator(lambda it: round(it, 6))]
"""Degrees; a millionth is a tenth of a metre."""

Count = Annotated[int, Field(ge=0, le=10_000)]
Rate = Annotated[float, Field(ge=0, le=1_000_000)]

CameraType = Literal["Analog", "IP", "HD-TVI", "HD-CVI", "AHD", "SDI", "other"]
RecorderKind = Literal["NVR", "DVR", "VMS"]
LineType = Literal["lan", "internet", "leased", "vpn_over_internet", "other"]
Protocol = Literal["RTSP", "RTMP", "HTTP", "HTTPS", "ONVIF", "P2P", "other"]
NodeKind = Literal["switch", "firewall", "router", "modem", "encoder", "server", "other"]

GATEWAY, WAN = "gateway", "wan"
"""Ends of links that every site has: this gateway, and the line to the outside."""


def _address(given: str) -> str:
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        raise PydanticCustomError("address", "it must be an IP address") from None


def _network(given: str) -> str:
    try:
        return str(ipaddress.ip_network(given, strict=False))
    except ValueError:
        raise PydanticCustomError("network", "it must be a network, e.g. 10.1.2.0/24") from None


Address = Annotated[str, Field(max_length=45), AfterValidator(_address)]
NetworkText = Annotated[str, Field(max_length=49), AfterValidator(_network)]
Mac = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class CentreSurvey(Document):
    """The public service centre itself.

    Attributes:
        former_province: Two digits of the province, of the 63 before July 2025, that it belonged
            to; a province of today may have been three.
    """

    former_province: ProvinceCode | None = None
    code: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    name: Word | None = None
    address: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None


class ReachSurvey(Document):
    """Whether recorder or VMS can be reached from the network of the People's Committee's office.

    Attributes:
        ok: Whether it can.
        net: That network, e.g. ``CPNet``.
    """

    ok: bool | None = None
    net: Word | None = None


class ExposureSurvey(Document):
    """Whether a camera stream leads out into the Internet, and by which protocols."""

    declared: bool | None = None
    protocols: Annotated[tuple[Protocol, ...], Field(max_length=8)] = ()


class LineSurvey(Document):
    """A line: its kind, who runs it, how fast it is."""

    type: LineType | None = None
    isp: Word | None = None
    down_mbps: Rate | None = None
    up_mbps: Rate | None = None


class CameraCountSurvey(Document):
    """How many cameras there are, as counted by people."""

    declared: Count | None = None
    analog: Count | None = None
    ip: Count | None = None


class RecorderSurvey(Document):
    """A recorder, or the system that manages the cameras.

    Attributes:
        id: As the cameras' ``device`` names it.
        kind: Recorder for IP cameras, recorder for analog ones, or a VMS.
        channels: How many it has.
    """

    id: DeviceId
    kind: RecorderKind
    name: Word | None = None
    manufacturer: Word | None = None
    model: Word | None = None
    firmware: Word | None = None
    channels: Annotated[int, Field(ge=1, le=10_000)] | None = None
    ip: Address | None = None


class CameraSurvey(Document):
    """What is declared about one camera of the site document, beside its name and place.

    Attributes:
        id: Of a camera in ``cameras``.
        nvr: The recorder it is connected to; left out: its ``device``.
        channel: Its number there.
        mac: Lower case, with colons.
    """

    id: CameraId
    type: CameraType | None = None
    manufacturer: Word | None = None
    model: Word | None = None
    firmware: Word | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    nvr: DeviceId | None = None
    channel: Annotated[int, Field(ge=0, le=10_000)] | None = None
    ip: Address | None = None
    mac: Mac | None = None


class NodeSurvey(Document):
    """A device of the network between the cameras and the line to the outside."""

    id: DeviceId
    kind: NodeKind
    name: Word | None = None
    manufacturer: Word | None = None
    model: Word | None = None


class SystemSurvey(Document):
    """An information system that runs at the operation centre (IOC)."""

    name: Word
    functions: Text | None = None
    data_managed: Text | None = None


Link = Annotated[tuple[DeviceId, DeviceId], Field(min_length=2, max_length=2)]
"""Two ends: cameras, recorders, nodes, ``gateway`` or ``wan``."""


class Survey(Document):
    """Everything that is declared about a site.

    Attributes:
        surveyed: The day on which it was true.
        vms_kind: Whether the site has a recorder or a management system.
        central_managed: Whether recorder or VMS are managed from one place.
        line: From the cameras to recorder or VMS.
        uplink: From the site to the outside.
        camera_ip_range: Networks of the cameras.
        links: The network as a graph.
    """

    surveyed: dt.date | None = None
    centre: CentreSurvey = CentreSurvey()
    vms_kind: RecorderKind | None = None
    central_managed: bool | None = None
    reach_from_office: ReachSurvey = ReachSurvey()
    exposed: ExposureSurvey = ExposureSurvey()
    line: LineSurvey = LineSurvey()
    uplink: LineSurvey = LineSurvey()
    camera_ip_range: Annotated[tuple[NetworkText, ...], Field(max_length=64)] = ()
    camera_count: CameraCountSurvey = CameraCountSurvey()
    recorders: Annotated[tuple[RecorderSurvey, ...], Field(max_length=64)] = ()
    cameras: Annotated[tuple[CameraSurvey, ...], Field(max_length=512)] = ()
    nodes: Annotated[tuple[NodeSurvey, ...], Field(max_length=256)] = ()
    links: Annotated[tuple[Link, ...], Field(max_length=2048)] = ()
    ioc: Annotated[tuple[SystemSurvey, ...], Field(max_length=64)] = ()


def mistakes_in(survey: Survey, cameras: frozenset[str]) -> Iterator[InitErrorDetails]:
    """Yield the contradictions in *survey*, each with its place.

    Args:
        survey: What was declared.
        cameras: Ids of the cameras of the site document.
    """
    yield from repeated("cameras", "id", [each.id for each in survey.cameras])
    taken = {GATEWAY: "this gateway", WAN: "the line out", **dict.fromkeys(cameras, "a camera")}
    named = {
        "recorders": [each.id for each in survey.recorders],
        "nodes": [each.id for each in survey.nodes],
    }
    for field, names in named.items():
        for index, name in enumerate(names):
            if name in taken:
                message = f"{name} already names {taken[name]}"
                yield mistake("duplicate", message, (field, index, "id"), name)
            taken.setdefault(name, f"{field}/{index}")
    yield from _unknown_cameras(survey, cameras)
    yield from _loose_links(survey, taken.keys())


def _unknown_cameras(survey: Survey, cameras: frozenset[str]) -> Iterator[InitErrorDetails]:
    recorders = {each.id for each in survey.recorders}
    for index, camera in enumerate(survey.cameras):
        if camera.id not in cameras:
            message = f"{camera.id} is no camera of this site"
            yield mistake("unknown_id", message, ("cameras", index, "id"), camera.id)
        if camera.nvr is not None and camera.nvr not in recorders:
            message = f"{camera.nvr} is none of the recorders"
            yield mistake("unknown_id", message, ("cameras", index, "nvr"), camera.nvr)


def _loose_links(survey: Survey, ends: Container[str]) -> Iterator[InitErrorDetails]:
    for index, link in enumerate(survey.links):
        for end in (0, 1):
            if link[end] not in ends:
                message = f"{link[end]} names no camera, recorder or node, nor gateway or wan"
                yield mistake("unknown_id", message, ("links", index, end), link[end])
        if link[0] == link[1]:
            yield mistake("link", "a link needs two ends", ("links", index), link)
