"""Asks a device by Dahua's CGI: cameras and recorders of Dahua, KBVision, Imou and its OEM.

Eight requests, whatever the number of channels; answers are lines ``key=value``. Which inputs have
no camera the event ``VideoLoss`` tells, which counts channels from 0.

Source: Dahua's HTTP API (magicBox.cgi, configManager.cgi, eventManager.cgi, global.cgi), as devices
answer it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime

from gateway.discovery.found import DeviceKind, FoundChannel, FoundStream, Signal, StreamProfile
from gateway.discovery.text import clean, whole_number
from gateway.discovery.told import MOST_CHANNELS, Told, get
from gateway.model.local_time import VIETNAM
from gateway.rtsp.budget import abusive
from gateway.runtime.clock import now_ms
from gateway.sources.http_client import HttpClient

DEVICE_TYPE = "/cgi-bin/magicBox.cgi?action=getDeviceType"
DEVICE_CLASS = "/cgi-bin/magicBox.cgi?action=getDeviceClass"
VERSION = "/cgi-bin/magicBox.cgi?action=getSoftwareVersion"
VENDOR = "/cgi-bin/magicBox.cgi?action=getVendor"
TIME = "/cgi-bin/global.cgi?action=getCurrentTime"
ENCODE = "/cgi-bin/configManager.cgi?action=getConfig&name=Encode"
TITLES = "/cgi-bin/configManager.cgi?action=getConfig&name=ChannelTitle"
VIDEO_LOSS = "/cgi-bin/eventManager.cgi?action=getEventIndexes&code=VideoLoss"

MOST_LINES = 120_000
_FORMATS: Mapping[tuple[str, int], tuple[StreamProfile, int]] = {
    ("MainFormat", 0): ("main", 0),
    ("ExtraFormat", 0): ("sub", 1),
    ("ExtraFormat", 1): ("third", 2),
}
"""Name and index of a format; the profile, and ``subtype`` in its URL."""

_ENCODE = re.compile(
    r"table\.Encode\[(\d{1,3})\]\.(MainFormat|ExtraFormat)\[(\d)\]\.(VideoEnable|Video\.\w+)"
)
_TITLE = re.compile(r"table\.ChannelTitle\[(\d{1,3})\]\.Name")
_LOST = re.compile(r"channels\[\d{1,3}\]")
_CODECS = {"H.264": "h264", "H.265": "h265", "MJPG": "mjpeg", "MPEG4": "mpeg4"}
_KINDS: tuple[tuple[str, DeviceKind], ...] = (
    ("NVR", "recorder"),
    ("XVR", "recorder"),
    ("DVR", "recorder"),
    ("HCVR", "recorder"),
    ("NVS", "encoder"),
    ("IPC", "camera"),
    ("SD", "camera"),
)

Url = Callable[[str], str]


async def ask_dahua(client: HttpClient, rtsp_url: Url, picture_url: Url) -> Told:
    """Return what the device behind *client* tells by CGI.

    Raises:
        NothingTold: It may not be read.
        GatewayError: As `HttpClient.send`; it does not speak CGI (`NOT_FOUND`).
    """
    model = _first(await get(client, DEVICE_TYPE, needed=True))
    classed = _first(await get(client, DEVICE_CLASS))
    version = _first(await get(client, VERSION))
    vendor = _first(await get(client, VENDOR))
    offset_s = _offset_s(_first(await get(client, TIME)))
    encode = await _pairs(await get(client, ENCODE, needed=True))
    titles = await _pairs(await get(client, TITLES))
    lost = await _pairs(await get(client, VIDEO_LOSS))
    channels = _channels(encode, titles, _signals(lost), rtsp_url, picture_url)
    upper = f"{classed or ''} {model or ''}".upper()
    kind = next((kind for word, kind in _KINDS if word in upper), None)
    counted: DeviceKind = "recorder" if len(channels) > 1 else "camera"
    return Told(
        maker=vendor,
        model=model,
        firmware=version,
        kind=kind or (counted if channels else "unknown"),
        clock_offset_s=offset_s,
        channels=channels,
    )


def is_device_type(body: bytes) -> bool:
    """Return whether *body* is an answer to `DEVICE_TYPE`."""
    return body[:64].lstrip().startswith(b"type=")


def _first(body: bytes | None) -> str | None:
    """Return the value on the first line of *body*."""
    line = (body or b"")[:1024].decode("utf-8", "replace").strip().partition("\n")[0]
    return clean(line.partition("=")[2])


async def _pairs(body: bytes | None) -> dict[str, str] | None:
    """Return keys and values of *body*; None: it has none."""
    if body is None:
        return None
    return await asyncio.to_thread(_split, body)


def _split(body: bytes) -> dict[str, str]:
    """Return keys and values. Raises SourceUnavailable: more lines than of an honest device."""
    if body.count(b"\n") > MOST_LINES:
        raise abusive(f"more than {MOST_LINES} lines in an answer")
    lines = body.decode("utf-8", "replace").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs if key}


def _offset_s(text: str | None) -> float | None:
    """Return by how much the local time *text* is ahead of this site's."""
    try:
        theirs = datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=VIETNAM)
        return round(theirs.timestamp() - now_ms() / 1000, 1)
    except (ValueError, OverflowError):
        return None


def _signals(lost: Mapping[str, str] | None) -> Callable[[int], Signal]:
    """Return what tells whether channel n, counted from 0, has a picture."""
    if lost is None:
        return lambda _: "unknown"
    numbers = {
        number
        for key, value in lost.items()
        if _LOST.fullmatch(key) and (number := whole_number(value, MOST_CHANNELS)) is not None
    }
    return lambda index: "no_signal" if index in numbers else "live"


def _channels(
    encode: Mapping[str, str] | None,
    titles: Mapping[str, str] | None,
    signal: Callable[[int], Signal],
    rtsp_url: Url,
    picture_url: Url,
) -> tuple[FoundChannel, ...]:
    formats: dict[int, dict[tuple[str, int], dict[str, str]]] = {}
    for key, value in (encode or {}).items():
        match = _ENCODE.fullmatch(key)
        if match is not None and int(match[1]) < MOST_CHANNELS:
            place = (match[2], int(match[3]))
            formats.setdefault(int(match[1]), {}).setdefault(place, {})[match[4]] = value
    names = {
        int(match[1]): clean(value)
        for key, value in (titles or {}).items()
        if (match := _TITLE.fullmatch(key))
    }
    found = []
    for index, own in sorted(formats.items()):
        number = index + 1
        streams = tuple(
            _stream(own[place], profile, rtsp_url(_path(number, subtype)))
            for place, (profile, subtype) in _FORMATS.items()
            if own.get(place, {}).get("VideoEnable", "true").lower() == "true" and place in own
        )
        picture = picture_url(f"/cgi-bin/snapshot.cgi?channel={number}")
        found.append(FoundChannel(number, names.get(index), signal(index), streams, picture))
    return tuple(found)


def _path(number: int, subtype: int) -> str:
    return f"/cam/realmonitor?channel={number}&subtype={subtype}"


def _stream(own: Mapping[str, str], profile: StreamProfile, url: str) -> FoundStream:
    codec = own.get("Video.Compression")
    width, height = (whole_number(own.get(f"Video.{side}"), 32_768) for side in ("Width", "Height"))
    if not width and (
        size := re.fullmatch(r"(\d{2,5})x(\d{2,5})", own.get("Video.resolution", ""))
    ):
        width, height = int(size[1]), int(size[2])
    fps = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)", own.get("Video.FPS", ""))
    return FoundStream(
        profile,
        url,
        codec=None if codec is None else _CODECS.get(codec, clean(codec, 20)),
        width=width or None,
        height=height or None,
        fps=float(fps[1]) if fps else None,
        kbps=whole_number(own.get("Video.BitRate")) or None,
        gop=whole_number(own.get("Video.GOP"), 10_000) or None,
    )
