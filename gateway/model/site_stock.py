"""What is known about a site as a whole: the answers to the form, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.known import Known


@dataclass(frozen=True, slots=True)
class Centre:
    """The public service centre."""

    code: Known[str] | None = None
    name: Known[str] | None = None
    address: Known[str] | None = None
    lat: Known[float] | None = None
    lon: Known[float] | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether recorder or VMS can be reached from the network of the office."""

    ok: Known[bool] | None = None
    net: Known[str] | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Whether a camera stream leads out into the Internet."""

    declared: Known[bool] | None = None
    protocols: Known[tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its kind, who runs it, how fast it is."""

    type: Known[str] | None = None
    isp: Known[str] | None = None
    down_mbps: Known[float] | None = None
    up_mbps: Known[float] | None = None


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

    declared: Known[int] | None = None
    analog: Known[int] | None = None
    ip: Known[int] | None = None
    configured: Known[int] | None = None
    observed: Known[int] | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """The machine that the gateway runs on."""

    version: Known[str] | None = None
    os: Known[str] | None = None
    arch: Known[str] | None = None
    model: Known[str] | None = None


@dataclass(frozen=True, slots=True)
class SiteStock:
    """Section ``site``: the form's questions about the whole."""

    centre: Centre = Centre()
    vms_kind: Known[str] | None = None
    central_managed: Known[bool] | None = None
    reach_from_office: Reach = Reach()
    exposed: Exposure = Exposure()
    line: Line = Line()
    uplink: Line = Line()
    camera_ip_range: Known[tuple[str, ...]] | None = None
    camera_count: CameraCount = CameraCount()
    gateway: Box = Box()
