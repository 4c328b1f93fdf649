"""Asks a device by Hikvision's ISAPI: cameras and recorders of Hikvision and of its OEM.

Six requests, whatever the number of channels. Which inputs have no camera: of analog ones
``resDesc`` says ``NO VIDEO``; of a recorder's IP channels ``online`` is false.

Source: Hikvision's ISAPI (System/deviceInfo, System/time, Streaming/channels,
System/Video/inputs/channels, ContentMgmt/InputProxy), as devices answer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from gateway.discovery.found import DeviceKind, FoundChannel, FoundStream, Signal, StreamProfile
from gateway.discovery.text import clean, whole_number
from gateway.discovery.told import MOST_CHANNELS, NothingTold, Told, get, hostile
from gateway.model.errors import GatewayError, SourceUnavailable
from gateway.model.local_time import VIETNAM
from gateway.model.reasons import Reason
from gateway.runtime.clock import now_ms
from gateway.sources.bounded_xml import HostileXml, parse_xml
from gateway.sources.http_client import HttpClient

DEVICE_INFO = "/ISAPI/System/deviceInfo"
TIME = "/ISAPI/System/time"
STREAMS = "/ISAPI/Streaming/channels"
INPUTS = "/ISAPI/System/Video/inputs/channels"
PROXIES = "/ISAPI/ContentMgmt/InputProxy/channels"
PROXY_STATES = "/ISAPI/ContentMgmt/InputProxy/channels/status"

PROFILES: Mapping[int, StreamProfile] = {1: "main", 2: "sub", 3: "third"}
_CODECS = {"H.264": "h264", "H.265": "h265", "MJPEG": "mjpeg", "MPEG4": "mpeg4"}
_KINDS: tuple[tuple[str, DeviceKind], ...] = (
    ("NVR", "recorder"),
    ("DVR", "recorder"),
    ("HVR", "recorder"),
    ("ENCODER", "encoder"),
    ("DVS", "encoder"),
    ("IP", "camera"),
    ("CAMERA", "camera"),
)

StreamUrl = Callable[[str], str]
"""Returns the URL, RTSP or HTTP, of a path at this device."""


@dataclass(slots=True)
class _Input:
    """One input: its name, and whether there is a picture."""

    name: str | None = None
    signal: Signal = "unknown"


async def ask_isapi(client: HttpClient, rtsp_url: StreamUrl, picture_url: StreamUrl) -> Told:
    """Return what the device behind *client* tells by ISAPI.

    Raises:
        NothingTold: It may not be read.
        GatewayError: As `HttpClient.send`; it does not speak ISAPI (`NOT_FOUND`).
    """
    body = await get(client, DEVICE_INFO, needed=True)
    info = await _parsed(body)
    if info is None or not info.tag.endswith("DeviceInfo"):
        raise SourceUnavailable(Reason.CORRUPT, f"{DEVICE_INFO} is no DeviceInfo")
    kind = _kind(_text(info, "deviceType"))
    offset_s = _offset_s(await _optional(client, TIME))
    streams = await _parsed(await get(client, STREAMS, needed=True))
    inputs = _analog_inputs(await _optional(client, INPUTS), kind)
    inputs |= _ip_inputs(await _optional(client, PROXIES), await _optional(client, PROXY_STATES))
    channels = _channels(streams, inputs, rtsp_url, picture_url)
    if kind == "unknown" and channels:
        kind = "recorder" if len(channels) > 1 else "camera"
    return Told(
        maker=clean(_text(info, "manufacturer")),
        model=clean(_text(info, "model")),
        firmware=_firmware(info),
        mac=_text(info, "macAddress"),
        kind=kind,
        clock_offset_s=offset_s,
        channels=channels,
    )


async def _parsed(body: bytes | None) -> Element | None:
    if body is None:
        return None
    try:
        return await asyncio.to_thread(parse_xml, body)
    except HostileXml as error:
        raise hostile(error) from None


async def _optional(client: HttpClient, path: str) -> Element | None:
    """Return what is at *path*; None: nothing that can be read. Login and hostility are raised."""
    try:
        return await _parsed(await get(client, path))
    except (NothingTold, GatewayError) as error:
        if isinstance(error, GatewayError) and error.reason not in (Reason.NOT_FOUND,):
            raise
        return None


def _text(parent: Element, name: str) -> str | None:
    """Return the text of the first *name* anywhere below *parent*."""
    found = parent.find(f".//{{*}}{name}")
    return None if found is None else (found.text or "").strip() or None


def _firmware(info: Element) -> str | None:
    version, date = _text(info, "firmwareVersion"), _text(info, "firmwareReleasedDate")
    return clean(" ".join(each for each in (version, date) if each))


def _kind(text: str | None) -> DeviceKind:
    upper = (text or "").upper()
    return next((kind for word, kind in _KINDS if word in upper), "unknown")


def _offset_s(time: Element | None) -> float | None:
    """Return by how much the time that it shows is ahead of this site's.

    What its offset from UTC says does not count: it is China's from the factory, and the time in
    the pictures and in the recordings is the one that is shown.
    """
    if time is None:
        return None
    try:
        theirs = datetime.fromisoformat((_text(time, "localTime") or "")[:40])
        return round(theirs.replace(tzinfo=VIETNAM).timestamp() - now_ms() / 1000, 1)
    except (ValueError, OverflowError):
        return None


def _analog_inputs(listed: Element | None, kind: DeviceKind) -> dict[int, _Input]:
    found: dict[int, _Input] = {}
    for each in [] if listed is None else listed.iterfind(".//{*}VideoInputChannel"):
        number = whole_number(_text(each, "id"), MOST_CHANNELS)
        if number is None:
            continue
        described = _text(each, "resDesc")
        signal: Signal = "unknown"
        if described is not None:
            signal = "no_signal" if described.upper() == "NO VIDEO" else "live"
        elif kind == "camera":  # its sensor cannot be unplugged
            signal = "live"
        if _text(each, "videoInputEnabled") == "false":
            signal = "no_signal"
        found[number] = _Input(clean(_text(each, "name")), signal)
    return found


def _ip_inputs(listed: Element | None, states: Element | None) -> dict[int, _Input]:
    found: dict[int, _Input] = {}
    for each in [] if listed is None else listed.iterfind(".//{*}InputProxyChannel"):
        number = whole_number(_text(each, "id"), MOST_CHANNELS)
        if number is not None:
            found[number] = _Input(clean(_text(each, "name")))
    for each in [] if states is None else states.iterfind(".//{*}InputProxyChannelStatus"):
        number = whole_number(_text(each, "id"), MOST_CHANNELS)
        if number in found:
            online = _text(each, "online")
            signals: dict[str | None, Signal] = {"true": "live", "false": "no_signal"}
            found[number].signal = signals.get(online, "unknown")
    return found


def _channels(
    listed: Element | None,
    inputs: Mapping[int, _Input],
    rtsp_url: StreamUrl,
    picture_url: StreamUrl,
) -> tuple[FoundChannel, ...]:
    streams: dict[int, dict[StreamProfile, FoundStream]] = {}
    names: dict[int, str | None] = {}
    for each in [] if listed is None else listed.iterfind(".//{*}StreamingChannel"):
        channel, nth = divmod(whole_number(_text(each, "id"), 100 * MOST_CHANNELS + 99) or 0, 100)
        profile = PROFILES.get(nth)
        if not channel or profile is None:
            continue
        url = rtsp_url(f"/Streaming/Channels/{channel}{nth:02}")
        streams.setdefault(channel, {}).setdefault(profile, _stream(each, profile, url))
        names.setdefault(channel, clean(_text(each, "channelName")))
    found = []
    for number in sorted({*streams, *inputs}):
        given = inputs.get(number, _Input())
        own = streams.get(number, {})
        found.append(
            FoundChannel(
                number,
                given.name or names.get(number),
                given.signal,
                tuple(own[each] for each in PROFILES.values() if each in own),
                picture_url(f"/ISAPI/Streaming/channels/{number}01/picture") if own else None,
            )
        )
    return tuple(found[:MOST_CHANNELS])


def _stream(listed: Element, profile: StreamProfile, url: str) -> FoundStream:
    codec = _text(listed, "videoCodecType")
    fps = whole_number(_text(listed, "maxFrameRate"), 100_000)
    gop = whole_number(_text(listed, "GovLength"), 10_000)
    every_ms = whole_number(_text(listed, "keyFrameInterval"), 1_000_000)
    if gop is None and every_ms and fps:
        gop = round(every_ms / 1000 * fps / 100)
    smart = listed.find(".//{*}SmartCodec/{*}enabled")
    return FoundStream(
        profile,
        url,
        codec=None if codec is None else _CODECS.get(codec, clean(codec, 20)),
        width=whole_number(_text(listed, "videoResolutionWidth"), 32_768) or None,
        height=whole_number(_text(listed, "videoResolutionHeight"), 32_768) or None,
        fps=fps / 100 if fps else None,
        kbps=_kbps(listed),
        gop=gop or None,
        smart_codec=None if smart is None else smart.text == "true",
    )


def _kbps(listed: Element) -> int | None:
    varies = (_text(listed, "videoQualityControlType") or "").upper() == "VBR"
    names = ("vbrUpperCap", "constantBitRate") if varies else ("constantBitRate", "vbrUpperCap")
    return next((rate for name in names if (rate := whole_number(_text(listed, name)))), None)
