"""Asks a device by ONVIF: who it is, its profiles, and where their streams are.

One login for all requests. Addresses that the device names are not followed: of each URI path and
query are taken, the host is the one that answered, and the port is one that was found open.

References: ONVIF Core (GetDeviceInformation, GetServices), Media and Media2 (GetProfiles,
GetStreamUri, GetSnapshotUri).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from gateway.discovery.found import DeviceKind, FoundChannel, FoundStream, StreamProfile
from gateway.discovery.text import clean, whole_number
from gateway.discovery.told import MOST_CHANNELS, Told
from gateway.model.errors import GatewayError, SourceRefused
from gateway.model.reasons import Reason
from gateway.model.url_login import PASSWORD, USERNAME, has_written_password
from gateway.sources.onvif import DEVICE, MEDIA, MEDIA2, STREAM_SETUP, OnvifDevice, no_media_service

MOST_PROFILES = 3 * MOST_CHANNELS
PROFILES: tuple[StreamProfile, ...] = ("main", "sub", "third")
_CODECS = {"H264": "h264", "H265": "h265", "JPEG": "mjpeg", "MPEG4": "mpeg4", "MPV4-ES": "mpeg4"}
MOST_URI_CHARS = 512
_PASSWORD = re.compile(r"(?i)((?:password|passwd|pwd|pass)=)[^&_/?]*")
_USER = re.compile(r"(?i)([^a-z](?:user|username|usr)=)[^&_/?]*")

Url = Callable[[str], str]


async def ask_onvif(device: OnvifDevice, path: str, rtsp_url: Url, picture_url: Url) -> Told:
    """Return what *device* tells.

    Args:
        device: Not yet asked for anything but its clock.
        path: Of its device service.
        rtsp_url: Returns the URL of a path at this device.
        picture_url: Likewise, over HTTP.

    Raises:
        GatewayError: As `OnvifDevice.call`.
    """
    info = await device.call(path, DEVICE, "GetDeviceInformation")
    services = await device.services()
    media, listed = await _profiles(device, services)
    channels = await _channels(device, media, listed, rtsp_url, picture_url)
    return Told(
        maker=clean(info.findtext(".//{*}Manufacturer")),
        model=clean(info.findtext(".//{*}Model")),
        firmware=clean(info.findtext(".//{*}FirmwareVersion")),
        kind=_kind(len(channels), services),
        channels=channels,
    )


def _kind(channels: int, services: Collection[str]) -> DeviceKind:
    """Return what a device is that names *services*.

    Who has several inputs and stores nothing is an encoder; devices before 2011, which name the
    media service only, are taken for recorders.
    """
    if channels <= 1:
        return "camera" if channels else "unknown"
    stores = any(each.startswith(_STORES) for each in services)
    return "recorder" if stores or DEVICE not in services else "encoder"


_STORES = (
    "http://www.onvif.org/ver10/recording/",
    "http://www.onvif.org/ver10/replay/",
    "http://www.onvif.org/ver10/search/",
)


@dataclass(frozen=True, slots=True)
class _Media:
    """A media service.

    Attributes:
        namespace: `MEDIA` or `MEDIA2`.
        path: Where it is.
    """

    namespace: str
    path: str


async def _profiles(device: OnvifDevice, services: Mapping[str, str]) -> tuple[_Media, Element]:
    """Return the media service that has told its profiles, and what it has told.

    Media2 comes first, for the other has no word for H.265. It tells of a profile no more than its
    token unless it is asked.
    """
    if MEDIA2 in services:
        media = _Media(MEDIA2, services[MEDIA2])
        try:
            told = await device.call(media.path, MEDIA2, "GetProfiles", "<Type>All</Type>")
        except GatewayError as error:
            if MEDIA not in services or error.reason not in _ABSENT:
                raise
        else:
            if MEDIA not in services or told.find(".//{*}VideoSource") is not None:
                return media, told
    if MEDIA not in services:
        raise no_media_service()
    media = _Media(MEDIA, services[MEDIA])
    return media, await device.call(media.path, MEDIA, "GetProfiles")


_ABSENT = (Reason.REFUSED, Reason.NOT_FOUND, Reason.CORRUPT)


async def _channels(
    device: OnvifDevice,
    media: _Media,
    listed: Element,
    rtsp_url: Url,
    picture_url: Url,
) -> tuple[FoundChannel, ...]:
    """Return a channel for each video source, with at most three of its profiles, largest first."""
    sources: dict[str, list[Element]] = {}
    rest: list[Element] = []
    for profile in list(listed.iterfind(".//{*}Profiles"))[:MOST_PROFILES]:
        source = _text(profile, "VideoSource", "SourceToken")
        if profile.get("token"):
            (sources.setdefault(source, []) if source else rest).append(profile)
    found = []
    groups = list(sources.values()) or ([rest] if rest else [])
    for number, profiles in enumerate(groups[:MOST_CHANNELS], 1):
        largest = sorted(profiles, key=_pixels, reverse=True)[: len(PROFILES)]
        streams: list[FoundStream] = []
        for profile in largest:
            uri = await _uri(device, media, profile)
            if uri is not None and all(rtsp_url(uri) != each.url for each in streams):
                streams.append(_stream(profile, PROFILES[len(streams)], rtsp_url(uri)))
        picture = await _picture_uri(device, media, largest[0])
        shown = None if picture is None else picture_url(picture)
        name = clean(_text(largest[0], "VideoSource", "Name"))
        found.append(FoundChannel(number, name, "unknown", tuple(streams), shown))
    return tuple(found)


def _configuration(profile: Element, of: str) -> Element | None:
    """Return the configuration of *of* in *profile*: Media2 has other names than Media.

    Those of the sound have elements of the same names.
    """
    found = profile.find(f"{{*}}{of}Configuration")
    return profile.find(f"{{*}}Configurations/{{*}}{of}") if found is None else found


def _text(profile: Element, of: str, name: str) -> str:
    """Return what *name* says in the configuration of *of*; empty: nothing."""
    found = _configuration(profile, of)
    return "" if found is None else (found.findtext(f".//{{*}}{name}") or "").strip()


def _pixels(profile: Element) -> int:
    width, height = _size(profile)
    return (width or 0) * (height or 0)


def _size(profile: Element) -> tuple[int | None, int | None]:
    sides = (
        _text(profile, "VideoEncoder", f"Resolution/{{*}}{side}") for side in ("Width", "Height")
    )
    width, height = (whole_number(side, 32_768) or None for side in sides)
    return width, height


async def _uri(device: OnvifDevice, media: _Media, profile: Element) -> str | None:
    """Return path and query of the stream of *profile*; None: it has none."""
    setup = STREAM_SETUP if media.namespace == MEDIA else "<Protocol>RTSP</Protocol>"
    token = f"<ProfileToken>{escape(profile.get('token', ''))}</ProfileToken>"
    try:
        said = await device.call(media.path, media.namespace, "GetStreamUri", setup + token)
    except SourceRefused as error:
        if error.reason not in (Reason.REFUSED, Reason.NOT_FOUND):
            raise
        return None
    return path_of(said.findtext(".//{*}Uri"))


async def _picture_uri(device: OnvifDevice, media: _Media, profile: Element) -> str | None:
    token = f"<ProfileToken>{escape(profile.get('token', ''))}</ProfileToken>"
    try:
        said = await device.call(media.path, media.namespace, "GetSnapshotUri", token)
    except SourceRefused as error:
        if error.reason not in (Reason.REFUSED, Reason.NOT_FOUND):
            raise
        return None
    return path_of(said.findtext(".//{*}Uri"))


def path_of(uri: str | None) -> str | None:
    """Return path and query of *uri*, whatever its host; None: none that may stand in a URL.

    Some write the login there: places for one stand instead of it.
    """
    text = (uri or "").strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if has_written_password(path):
        path = _USER.sub(rf"\1{USERNAME}", _PASSWORD.sub(rf"\1{PASSWORD}", path))
    fit = path.isascii() and path.isprintable() and not set(' #\\"<>') & set(path)
    return path if fit and path.startswith("/") and len(path) <= MOST_URI_CHARS else None


def _stream(profile: Element, name: StreamProfile, url: str) -> FoundStream:
    codec = _text(profile, "VideoEncoder", "Encoding")
    width, height = _size(profile)
    fps = _text(profile, "VideoEncoder", "FrameRateLimit").partition(".")[0]
    encoder = _configuration(profile, "VideoEncoder")
    gop = None if encoder is None else encoder.get("GovLength")  # Media2
    return FoundStream(
        name,
        url,
        codec=_CODECS.get(codec.upper(), clean(codec, 20)),
        width=width,
        height=height,
        fps=float(number) if (number := whole_number(fps, 1_000)) else None,
        kbps=whole_number(_text(profile, "VideoEncoder", "BitrateLimit")) or None,
        gop=whole_number(gop or _text(profile, "VideoEncoder", "GovLength"), 10_000) or None,
    )
