"""Builds the inventory from the site document, the settings and observations. Pure functions.

Every value names its source. What people have declared goes before what follows from the
configuration, and that before what was detected; observations are used for what nobody can declare.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from gateway.model.detected import DetectedDevice
from gateway.model.document import Document
from gateway.model.health import Machine
from gateway.model.inventory import (
    Box,
    CameraCount,
    CameraRecord,
    Centre,
    Exposure,
    FoundRecord,
    Inventory,
    Line,
    LinkRecord,
    Location,
    NetworkRecord,
    NodeRecord,
    Observations,
    Reach,
    RecorderRecord,
    SiteRecord,
    StreamRecord,
    SystemRecord,
)
from gateway.model.provenance import Origin, Sourced
from gateway.model.site_document import CameraConfig, SiteConfig
from gateway.model.survey import CameraSurvey, Survey

MOST_FOUND = 256
"""Devices of the last discovery that are told."""

LONGEST_SAID = 300
"""Characters of what a device calls itself."""

T = TypeVar("T")
Part = TypeVar("Part", Centre, Reach, Exposure, Line, CameraCount, Box)


@dataclass(frozen=True, slots=True)
class Source:
    """A source of values, as of one time."""

    origin: Origin
    time_ms: int

    def __call__(self, value: T | None) -> Sourced[T] | None:
        """Return *value* with this source; None if it is None or empty: it is not known."""
        return None if value in (None, "", ()) else Sourced(value, self.origin, self.time_ms)


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that the inventory is built from.

    Attributes:
        site: The site document.
        networks: In which the settings allow cameras.
        machine: What the gateway runs on.
        observations: What has been observed of the streams.
        detected: What the last discovery has found.
    """

    site: SiteConfig
    networks: tuple[str, ...] = ()
    machine: Machine = dataclasses.field(default_factory=Machine)
    observations: Observations = dataclasses.field(default_factory=dict)
    detected: tuple[DetectedDevice, ...] = ()


Devices = Mapping[str, DetectedDevice]
"""By address."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a discovery has found at one address; None: nothing."""

    device: DetectedDevice | None

    def said(
        self, name: Literal["manufacturer", "model", "firmware", "mac"]
    ) -> Sourced[str] | None:
        """Return what the device says of itself."""
        if self.device is None:
            return None
        value: str | None = getattr(self.device, name)
        return self._source(self.device)(_short(value))

    def channels(self) -> Sourced[int] | None:
        """Return how many inputs it has."""
        if self.device is None:
            return None
        return self._source(self.device)(self.device.channels or None)

    def channel(self, url: str) -> Sourced[int] | None:
        """Return the number of the channel whose stream is at *url*."""
        if self.device is None:
            return None
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}".rstrip("?").lower()
        numbers = (number for each, number in self.device.paths if each.lower() == path)
        return self._source(self.device)(next(numbers, None))

    @staticmethod
    def _source(device: DetectedDevice) -> Source:
        return Source(device.origin, device.time_ms)


def _found_record(device: DetectedDevice) -> FoundRecord:
    return FoundRecord(
        id=device.address,
        kind=device.kind,
        origin=device.origin,
        time_ms=device.time_ms,
        manufacturer=_short(device.manufacturer),
        model=_short(device.model),
        firmware=_short(device.firmware),
        channels=device.channels or None,
        no_signal=len(device.no_signal) or None,
    )


def _short(text: str | None) -> str | None:
    return text[:LONGEST_SAID] if text else None


def _found(devices: Devices, address: str | None) -> _Found:
    return _Found(None if address is None else devices.get(address))


def build_inventory(sources: Sources, now_ms: int) -> Inventory:
    """Return the inventory of *sources*; what has no date of its own is of *now_ms*, wall clock."""
    survey = sources.site.inventory or Survey()
    declared = Source("survey", _date_ms(survey.surveyed) or now_ms)
    configured = Source("config", now_ms)
    surveys = {each.id: each for each in survey.cameras}
    devices = {each.address: each for each in sources.detected}
    cameras = tuple(
        _camera(each, surveys.get(each.id), sources.observations, declared, configured, devices)
        for each in sources.site.cameras
    )
    return Inventory(
        site=_site(sources, survey, declared, configured, Source("observed", now_ms)),
        recorders=tuple(_recorders(sources.site, survey, cameras, declared, configured, devices)),
        cameras=cameras,
        net=NetworkRecord(
            nodes=tuple(
                NodeRecord(
                    id=each.id,
                    kind=each.kind,
                    origin="survey",
                    time_ms=declared.time_ms,
                    name=each.name,
                    manufacturer=each.manufacturer,
                    model=each.model,
                )
                for each in survey.nodes
            ),
            links=tuple(_links(survey, cameras, declared)),
            found=tuple(map(_found_record, sources.detected[:MOST_FOUND])),
        ),
        ioc=tuple(
            SystemRecord(each.name, "survey", declared.time_ms, each.functions, each.data_managed)
            for each in survey.ioc
        ),
    )


def _site(
    sources: Sources, survey: Survey, declared: Source, configured: Source, observed: Source
) -> SiteRecord:
    centre = _part(Centre, survey.centre, declared)
    if centre.name is None:
        centre = dataclasses.replace(centre, name=configured(sources.site.name))
    shown = {
        camera for (camera, _), stream in sources.observations.items() if stream.codec is not None
    }
    listed = {each.id for each in sources.site.cameras}
    return SiteRecord(
        centre=centre,
        vms_kind=declared(survey.vms_kind),
        central_managed=declared(survey.central_managed),
        reach_from_office=_part(Reach, survey.reach_from_office, declared),
        exposed=_part(Exposure, survey.exposed, declared),
        line=_part(Line, survey.line, declared),
        uplink=_part(Line, survey.uplink, declared),
        camera_ip_range=declared(survey.camera_ip_range) or configured(sources.networks),
        camera_count=dataclasses.replace(
            _part(CameraCount, survey.camera_count, declared),
            configured=configured(len(listed)),
            observed=observed(len(shown & listed)),
        ),
        gateway=_part(Box, sources.machine, observed),
    )


def _camera(
    config: CameraConfig,
    survey: CameraSurvey | None,
    observations: Observations,
    declared: Source,
    configured: Source,
    devices: Devices,
) -> CameraRecord:
    declaration = survey or CameraSurvey(id=config.id)
    nvr = declared(declaration.nvr) or configured(config.device)
    host = _host(config) if nvr is None else None  # of a recorder's channel it is the recorder's
    found, own = _found(devices, _host(config)), _found(devices, host)
    return CameraRecord(
        id=config.id,
        name=configured(config.name),
        type=declared(declaration.type),
        manufacturer=declared(declaration.manufacturer) or own.said("manufacturer"),
        model=declared(declaration.model) or own.said("model"),
        firmware=declared(declaration.firmware) or own.said("firmware"),
        location=Location(
            text=configured(config.location),
            lat=declared(declaration.lat),
            lon=declared(declaration.lon),
        ),
        nvr=nvr,
        channel=declared(declaration.channel)
        or (None if nvr is None else found.channel(config.streams[0].url)),
        ip=declared(declaration.ip) or configured(host),
        mac=declared(declaration.mac) or own.said("mac"),
        enabled=configured(config.enabled),
        streams=tuple(
            observations.get((config.id, each.profile), StreamRecord(each.profile))
            for each in config.streams
        ),
    )


def _recorders(
    site: SiteConfig,
    survey: Survey,
    cameras: Sequence[CameraRecord],
    declared: Source,
    configured: Source,
    devices: Devices,
) -> Iterator[RecorderRecord]:
    hosts = _hosts(site, cameras)
    for each in survey.recorders:
        found = _found(devices, each.ip or hosts.get(each.id))
        yield RecorderRecord(
            id=each.id,
            kind=declared(each.kind),
            name=declared(each.name),
            manufacturer=declared(each.manufacturer) or found.said("manufacturer"),
            model=declared(each.model) or found.said("model"),
            firmware=declared(each.firmware) or found.said("firmware"),
            channels=declared(each.channels) or found.channels(),
            ip=declared(each.ip) or configured(hosts.get(each.id)),
        )
    for device in sorted(hosts.keys() - {each.id for each in survey.recorders}):
        found = _found(devices, hosts[device])
        yield RecorderRecord(
            id=device,
            manufacturer=found.said("manufacturer"),
            model=found.said("model"),
            firmware=found.said("firmware"),
            channels=found.channels(),
            ip=configured(hosts[device]),
        )


def _hosts(site: SiteConfig, cameras: Sequence[CameraRecord]) -> Mapping[str, str | None]:
    """Return recorder -> address, None where the URLs of its cameras name several."""
    found: dict[str, set[str | None]] = {}
    for config, camera in zip(site.cameras, cameras, strict=True):
        if camera.nvr is not None:
            found.setdefault(camera.nvr.value, set()).add(_host(config))
    return {device: hosts.pop() if len(hosts) == 1 else None for device, hosts in found.items()}


def _links(
    survey: Survey, cameras: Sequence[CameraRecord], declared: Source
) -> Iterator[LinkRecord]:
    """Yield the declared links, and camera to recorder for cameras in none of them.

    Such a link has the source of the camera's ``nvr``.
    """
    drawn = {end for link in survey.links for end in link}
    for link in survey.links:
        yield LinkRecord(link, "survey", declared.time_ms)
    for camera in cameras:
        if camera.nvr is not None and camera.id not in drawn:
            nvr = camera.nvr
            yield LinkRecord((camera.id, nvr.value), nvr.origin, nvr.time_ms)


def _part(kind: type[Part], given: Document | Machine, source: Source) -> Part:
    """Return *kind* with the fields that *given* has too, each with the source *source*."""
    names = (each.name for each in dataclasses.fields(kind))
    return kind(**{name: source(getattr(given, name, None)) for name in names})


def _host(config: CameraConfig) -> str | None:
    """Return the IP address in the camera's URL; None if it has a name there."""
    host = urlsplit(config.streams[0].url).hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _date_ms(day: dt.date | None) -> int | None:
    if day is None:
        return None
    midnight = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    return int(midnight.timestamp() * 1000)
