"""Asks a device by ONVIF: who it is, its profiles, and where their streams are.

One login for all requests. Addresses that the device names are not followed: of each URI path and
query are taken, the host is the one that answered, and the port is one that was found open.

References: ONVIF Core (GetDeviceInformation), Media (GetProfiles, GetStreamUri, GetSnapshotUri).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from gateway.discovery.found import FoundChannel, FoundStream, StreamProfile
from gateway.discovery.text import clean, whole_number
from gateway.discovery.told import MOST_CHANNELS, Told
from gateway.model.errors import SourceRefused
from gateway.model.reasons import Reason
from gateway.model.url_login import PASSWORD, USERNAME, has_written_password
from gateway.sources.onvif import DEVICE, MEDIA, STREAM_SETUP, OnvifDevice

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
    namespace, media = await device.media_service()
    listed = await device.call(media, namespace, "GetProfiles", _GET_ALL.get(namespace, ""))
    channels = await _channels(device, namespace, media, listed, rtsp_url, picture_url)
    return Told(
        maker=clean(info.findtext(".//{*}Manufacturer")),
        model=clean(info.findtext(".//{*}Model")),
        firmware=clean(info.findtext(".//{*}FirmwareVersion")),
        kind="unknown" if not channels else ("recorder" if len(channels) > 1 else "camera"),
        channels=channels,
    )


_GET_ALL: Mapping[str, str] = {
    "http://www.onvif.org/ver20/media/wsdl": "<Type>All</Type>",
}
"""Media2 tells of a profile no more than its token unless it is asked."""


async def _channels(
    device: OnvifDevice,
    namespace: str,
    media: str,
    listed: Element,
    rtsp_url: Url,
    picture_url: Url,
) -> tuple[FoundChannel, ...]:
    """Return a channel for each video source, with at most three of its profiles, largest first."""
    sources: dict[str, list[Element]] = {}
    for profile in list(listed.iterfind(".//{*}Profiles"))[:MOST_PROFILES]:
        source = (profile.findtext(".//{*}SourceToken") or "").strip()
        if profile.get("token") and (source or not sources):
            sources.setdefault(source, []).append(profile)
    found = []
    for number, profiles in enumerate(list(sources.values())[:MOST_CHANNELS], 1):
        largest = sorted(profiles, key=_pixels, reverse=True)[: len(PROFILES)]
        streams: list[FoundStream] = []
        for profile in largest:
            uri = await _uri(device, namespace, media, profile)
            if uri is not None and all(rtsp_url(uri) != each.url for each in streams):
                streams.append(_stream(profile, PROFILES[len(streams)], rtsp_url(uri)))
        picture = await _picture_uri(device, namespace, media, largest[0])
        shown = None if picture is None else picture_url(picture)
        name = clean(largest[0].findtext(".//{*}VideoSourceConfiguration/{*}Name"))
        found.append(FoundChannel(number, name, "unknown", tuple(streams), shown))
    return tuple(found)


def _pixels(profile: Element) -> int:
    width, height = _size(profile)
    return (width or 0) * (height or 0)


def _size(profile: Element) -> tuple[int | None, int | None]:
    resolution = profile.find(".//{*}Resolution")
    if resolution is None:
        return None, None
    sides = (resolution.findtext(f"{{*}}{side}") for side in ("Width", "Height"))
    width, height = (whole_number(side, 32_768) or None for side in sides)
    return width, height


async def _uri(device: OnvifDevice, namespace: str, media: str, profile: Element) -> str | None:
    """Return path and query of the stream of *profile*; None: it has none."""
    setup = STREAM_SETUP if namespace == MEDIA else "<Protocol>RTSP</Protocol>"
    token = f"<ProfileToken>{escape(profile.get('token', ''))}</ProfileToken>"
    try:
        said = await device.call(media, namespace, "GetStreamUri", setup + token)
    except SourceRefused as error:
        if error.reason not in (Reason.REFUSED, Reason.NOT_FOUND):
            raise
        return None
    return path_of(said.findtext(".//{*}Uri"))


async def _picture_uri(
    device: OnvifDevice, namespace: str, media: str, profile: Element
) -> str | None:
    token = f"<ProfileToken>{escape(profile.get('token', ''))}</ProfileToken>"
    try:
        said = await device.call(media, namespace, "GetSnapshotUri", token)
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
    codec = (profile.findtext(".//{*}Encoding") or "").strip()
    width, height = _size(profile)
    fps = (profile.findtext(".//{*}FrameRateLimit") or "").strip().partition(".")[0]
    gop = profile.findtext(".//{*}GovLength")
    encoder = profile.find(".//{*}VideoEncoder")
    if gop is None and encoder is not None:
        gop = encoder.get("GovLength")
    return FoundStream(
        name,
        url,
        codec=_CODECS.get(codec.upper(), clean(codec, 20)),
        width=width,
        height=height,
        fps=float(number) if (number := whole_number(fps, 1_000)) else None,
        kbps=whole_number(profile.findtext(".//{*}BitrateLimit")) or None,
        gop=whole_number(gop, 10_000) or None,
    )
