"""The pieces of the inventory on the wire: centre, recorder, camera, node, each value by its key.

`gateway.mqtt.payloads.inventory` makes the sections of them.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from gateway.model.provenance import Origin
from gateway.mqtt.payloads.codec import WireDocument
from gateway.mqtt.payloads.numbers import Amount, Count, TimeMs
from gateway.mqtt.payloads.presence import Word

T = TypeVar("T")

Name = Annotated[str, Field(min_length=1, max_length=40)]
Text = Annotated[str, Field(max_length=2000)]
Texts = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=64)]
Degrees = Annotated[float, Field(ge=-180, le=180)]


class KnownValue(WireDocument, Generic[T]):
    """A value, its source, and when it was observed."""

    value: Annotated[T, Field(alias="v")]
    origin: Annotated[Origin, Field(alias="src")]
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None


KnownWord = KnownValue[Annotated[str, Field(max_length=300)]] | None
KnownProvince = KnownValue[Annotated[str, Field(pattern=r"^[0-9]{2}$")]] | None
KnownCount = KnownValue[Count] | None
KnownFlag = KnownValue[bool] | None
KnownRate = KnownValue[Amount] | None
KnownDegrees = KnownValue[Degrees] | None
KnownTexts = KnownValue[Texts] | None


class _Row(WireDocument):
    """An item whose values all have one source."""

    origin: Annotated[Origin, Field(alias="src")]
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None


class WireCentre(WireDocument):
    """The public service centre. `former_province`: code of the 63 provinces before July 2025."""

    former_province: KnownProvince = None
    code: KnownWord = None
    name: KnownWord = None
    address: KnownWord = None
    lat: KnownDegrees = None
    lon: KnownDegrees = None


class WireReach(WireDocument):
    """Whether recorder or VMS can be reached from the network of the office."""

    ok: KnownFlag = None
    net: KnownWord = None


class WireExposure(WireDocument):
    """Whether a camera stream can be reached from the Internet."""

    declared: KnownFlag = None
    protocols: KnownTexts = None


class WireLine(WireDocument):
    """An access line: its kind, its provider, its speed."""

    type: KnownWord = None
    isp: KnownWord = None
    down_mbps: KnownRate = None
    up_mbps: KnownRate = None


class WireCameraCount(WireDocument):
    """How many cameras there are, by source of the count."""

    declared: KnownCount = None
    analog: KnownCount = None
    ip: KnownCount = None
    configured: KnownCount = None
    observed: KnownCount = None


class WireBox(WireDocument):
    """The machine that the gateway runs on."""

    version: KnownWord = None
    os: KnownWord = None
    arch: KnownWord = None
    model: KnownWord = None


class WireRecorder(WireDocument):
    """A recorder, or the system that manages the cameras."""

    id: Name
    kind: KnownWord = None
    name: KnownWord = None
    manufacturer: KnownWord = None
    model: KnownWord = None
    firmware: Annotated[KnownWord, Field(alias="fw")] = None
    channels: KnownCount = None
    ip: KnownWord = None


class WireStream(WireDocument):
    """One profile of a camera."""

    profile: Literal["main", "sub"]
    codec: KnownWord = None
    resolution: Annotated[KnownWord, Field(alias="res")] = None
    fps: KnownRate = None
    kbps: KnownCount = None


class WireLocation(WireDocument):
    """Where a camera is mounted."""

    text: KnownWord = None
    lat: KnownDegrees = None
    lon: KnownDegrees = None


class WireCamera(WireDocument):
    """One camera."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,16}$")]
    name: KnownWord = None
    type: KnownWord = None
    manufacturer: KnownWord = None
    model: KnownWord = None
    firmware: Annotated[KnownWord, Field(alias="fw")] = None
    location: WireLocation = WireLocation()
    nvr: KnownWord = None
    channel: Annotated[KnownCount, Field(alias="ch")] = None
    ip: KnownWord = None
    mac: KnownWord = None
    enabled: KnownFlag = None
    streams: Annotated[tuple[WireStream, ...], Field(max_length=2)] = ()


class WireNode(_Row):
    """A device of the network."""

    id: Name
    kind: Word
    name: Word | None = None
    manufacturer: Word | None = None
    model: Word | None = None


class WireFound(_Row):
    """A device that was found, in its own words. `id`: its IP address; `dark`: inputs, no picture.

    What is declared of the same device stands in its own section, so that both can be compared.
    """

    id: Name
    kind: Literal["recorder", "camera", "encoder", "unknown"] = "unknown"
    manufacturer: Annotated[str, Field(max_length=300)] | None = None
    model: Annotated[str, Field(max_length=300)] | None = None
    firmware: Annotated[Annotated[str, Field(max_length=300)] | None, Field(alias="fw")] = None
    channels: Count | None = None
    no_signal: Annotated[Count | None, Field(alias="dark")] = None


class WireLink(_Row):
    """Two things that are connected: cameras, recorders, nodes, ``gateway``, ``wan``."""

    ends: tuple[Name, Name]


class WireSystem(_Row):
    """An information system of the operation centre (IOC)."""

    name: Word
    functions: Text | None = None
    data_managed: Text | None = None


class WireContact(WireDocument):
    """A person to call. Comes from the survey only."""

    origin: Annotated[Literal["survey"], Field(alias="src")] = "survey"
    name: Word
    unit: Word | None = None
    position: Word | None = None
    phone: Annotated[str, Field(max_length=32)] | None = None
    note: Annotated[str, Field(max_length=500)] | None = None
    role: Word | None = None
