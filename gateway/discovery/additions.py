"""A site document with more cameras: the channels of one device, by its maker's template.

Channels that the document has already are refused, all of them, and nothing is added: whoever
scripts it learns of the double instead of getting half.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.config.documents import parse_site
from gateway.config.secret_bindings import host_of
from gateway.discovery.templates import RTSP_PORT, Template
from gateway.discovery.told import MOST_CHANNELS
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import CameraConfig, SecretRef, SiteConfig, StreamConfig

LONGEST_DEVICE = 32
_NAMED = "kenh"
_RANGE = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Addition:
    """Channels that become cameras.

    Attributes:
        template: Of the device's maker.
        host: Address of the device.
        numbers: Of the channels, from 1.
        port: For RTSP.
        username: Who logs in; None: nobody.
        secret: Name of the password; None: there is none.
        allow_basic: Whether it may be sent in clear.
        name: What people call a camera; ``{n}`` is its channel.
        sub: Whether sub-streams are taken.
    """

    template: Template
    host: str
    numbers: Sequence[int]
    port: int = RTSP_PORT
    username: str | None = None
    secret: str | None = None
    allow_basic: bool = False
    name: str = "Kênh {n}"
    sub: bool = True

    @property
    def device(self) -> str:
        """The name of the device: of all its channels failed logins are counted together."""
        return device_name(self.template.family, self.host)


def device_name(family: str, host: str) -> str:
    """Return a name for the device of *family* at *host*, as `gateway.model.names.DeviceId`."""
    plain = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    return f"{family}-{plain}"[-LONGEST_DEVICE:].strip("-")


def channel_numbers(text: str) -> tuple[int, ...]:
    """Return the channels that *text* names: ``1-16`` or ``1,2,9-12``.

    Raises:
        ValueError: It names none, one twice, or one beyond `MOST_CHANNELS`.
    """
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part[:20]!r} is no channel; write 1-16 or 1,2,9-12")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= MOST_CHANNELS:
            raise ValueError(f"{part}: channels are 1 to {MOST_CHANNELS}, the lower first")
        found += range(first, last + 1)
    if len(set(found)) < len(found):
        raise ValueError(f"{text[:40]!r} names a channel twice")
    return tuple(found)


def with_cameras(site: SiteConfig, addition: Addition) -> tuple[SiteConfig, tuple[str, ...]]:
    """Return *site* with the cameras of *addition*, and their ids.

    Raises:
        ConfigRejected: It has some of them already (``duplicate``), or would be wrong with them.
    """
    known = {place: each.id for each in site.cameras for place in _places(each)}
    taken = {each.id for each in site.cameras}
    cameras: list[CameraConfig] = []
    doubles: list[Fault] = []
    for number in addition.numbers:
        camera = _camera(addition, number, _free_id(number, taken))
        taken.add(camera.id)
        cameras.append(camera)
        double = next((known[place] for place in _places(camera) if place in known), None)
        if double is not None:
            doubles.append(_double(number, double))
    if doubles:
        raise ConfigRejected(tuple(doubles))
    update = {"version": site.version + 1, "cameras": (*site.cameras, *cameras)}
    changed = site.model_copy(update=update)
    document = parse_site(changed.model_dump_json(by_alias=True).encode())
    return document, tuple(each.id for each in cameras)


def _camera(addition: Addition, number: int, name: str) -> CameraConfig:
    template = addition.template
    urls = template.urls(addition.host, number, addition.port)
    secret = None
    if addition.secret is not None:
        secret = SecretRef.model_validate(f"secret:{addition.secret}")
    return CameraConfig(
        id=name,
        name=addition.name.replace("{n}", str(number)),
        device=addition.device,
        username=addition.username,
        password=secret,
        allow_basic=addition.allow_basic,
        streams=tuple(
            StreamConfig(profile=profile, url=url)
            for profile, url in urls.items()
            if profile == "main" or addition.sub
        ),
    )


def _free_id(number: int, taken: Iterable[str]) -> str:
    """Return ``kenh3`` for channel 3, or ``kenh3b`` and so on where another device has it."""
    name, others = f"{_NAMED}{number}", set(taken)
    if name not in others:
        return name
    endings = (chr(code) for code in range(ord("b"), ord("z") + 1))
    return next((free for each in endings if (free := name + each) not in others), f"{name}z")


def _places(camera: CameraConfig) -> Iterator[tuple[str, int, str]]:
    """Yield where the streams of *camera* are: as they are compared with others."""
    for stream in camera.streams:
        parts = urlsplit(stream.url)
        yield host_of(stream.url), parts.port or RTSP_PORT, f"{parts.path}?{parts.query}".lower()


def _double(number: int, name: str) -> Fault:
    message = f"channel {number} is the camera {name} already; nothing was added"
    return Fault(f"/cameras/{name}", "duplicate", message, {"before": name})
