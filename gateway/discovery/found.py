"""What a discovery yields: devices, their channels and streams, and why one told no more.

All text of devices in here is printable and in NFC (`gateway.discovery.text`), all URLs are without
login and lead to the address that answered, inside the camera networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.discovery.causes import Cause

StreamProfile = Literal["main", "sub", "third"]
"""Best first, as the device counts them."""

Signal = Literal["live", "no_signal", "unknown"]
"""Of a channel: a camera is there; the input is empty or its camera is gone; it does not tell."""

DeviceKind = Literal["recorder", "camera", "encoder", "unknown"]

Means = Literal["onvif", "isapi", "dahua", "template", "banner", "address"]
"""Who told: ONVIF; Hikvision's ISAPI; Dahua's CGI; a path by the maker's template that answered
DESCRIBE; what servers call themselves; only that something listens at the address."""


@dataclass(frozen=True, slots=True)
class FoundStream:
    """One stream of a channel.

    Attributes:
        profile: Which.
        url: ``rtsp://``, without user and password; fit for the site document.
        codec: ``h264``, ``h265``, ``mjpeg``, ``mpeg4``, or as the device spells another; None: it
            does not tell. So are the others.
        width: In pixels.
        height: In pixels.
        fps: Pictures a second, as it is set.
        kbps: Thousand bits a second, as it is set: the target or the most.
        gop: Pictures from keyframe to keyframe, as it is set.
        smart_codec: Whether H.264+, H.265+ or the like is on.
    """

    profile: StreamProfile
    url: str
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    kbps: int | None = None
    gop: int | None = None
    smart_codec: bool | None = None


@dataclass(frozen=True, slots=True)
class FoundChannel:
    """One camera, or one input of a recorder or encoder.

    Attributes:
        number: As the device counts, from 1.
        name: As it is called there; None: it has no name.
        signal: Whether there is a picture.
        streams: Best first; at most one of each profile.
        picture_url: Where a JPEG of it can be had by `Discovery.picture`; None: nowhere.
    """

    number: int
    name: str | None = None
    signal: Signal = "unknown"
    streams: tuple[FoundStream, ...] = ()
    picture_url: str | None = None


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """One device at one address.

    Attributes:
        address: IP address.
        ports: TCP ports that are open, of those that were tried.
        mac: ``aa:bb:cc:dd:ee:ff``; None: not known. So are the others.
        maker: As it is usually written, e.g. ``Hikvision``.
        family: Of `gateway.discovery.templates`, e.g. ``hikvision``.
        model: As the device says.
        firmware: Likewise.
        kind: What it is.
        clock_offset_s: By how much its clock is ahead of ours.
        channels: By number.
        origin: Who told of the channels, or else of the device.
        reason: Why it could not be asked further; None: it told all that was asked.
    """

    address: str
    ports: tuple[int, ...] = ()
    mac: str | None = None
    maker: str | None = None
    family: str | None = None
    model: str | None = None
    firmware: str | None = None
    kind: DeviceKind = "unknown"
    clock_offset_s: float | None = None
    channels: tuple[FoundChannel, ...] = ()
    origin: Means = "address"
    reason: Cause | None = None


Stage = Literal["looking", "asking", "notice", "done"]
"""Of a discovery: addresses are tried; devices are asked; something to know; all is done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a discovery is.

    Attributes:
        stage: What is being done.
        done: How many addresses were tried, or devices asked.
        total: Of how many, as far as is known.
        vi: For people, in Vietnamese.
        en: In English.
    """

    stage: Stage
    done: int
    total: int
    vi: str
    en: str

    @property
    def percent(self) -> int:
        """Of this stage, 0 to 100."""
        return 100 if self.total <= 0 else min(100, self.done * 100 // self.total)
