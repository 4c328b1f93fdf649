"""Asks cameras for keyframes: how, where, and by which login. One row for each protocol.

Never on the path of packets: the picture goes on as it is, whatever the camera answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

from gateway.model.errors import ConfigRejected, Fault, GatewayError, SourceUnavailable
from gateway.model.media import ClockReading
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, KeyframeProtocol, StreamConfig
from gateway.ports import Clock
from gateway.rtsp.errors import error_of_status
from gateway.runtime.lateness import time_limit
from gateway.sources.camera_access import CameraAccess
from gateway.sources.http_client import HttpClient
from gateway.sources.onvif import DEVICE_PATH, MediaProfile, OnvifDevice

CLOCK_EVERY_S = 300.0
"""A device that is asked for keyframes anyway is asked for its time so often at most."""
ASK_S = 15.0
"""How long one request may take, logins and the search for the profile included."""

_CHANNEL = re.compile(r"/(?:ISAPI/)?Streaming/(?:tracks|channels)/([0-9]{1,5})/?", re.IGNORECASE)


class KeyframeRequest(Protocol):
    """One way to ask one stream's camera."""

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed when it was asked last; None: it has not told."""
        ...

    async def ask(self) -> None:
        """Ask once; returns when the camera has agreed.

        Raises:
            GatewayError: It has not.
        """
        ...


class IsapiRequest:
    """``PUT .../requestKeyFrame`` of Hikvision's ISAPI, and of those who have taken it over.

    Args:
        access: Where the camera is, and who asks.
        stream: Of no use here.
        clock: Monotonic.
    """

    def __init__(
        self,
        access: CameraAccess,
        stream: StreamConfig,  # noqa: ARG002  (the table's)
        clock: Clock,
    ) -> None:
        self._access = access
        self._clock = clock
        self.clock_reading: ClockReading | None = None

    async def ask(self) -> None:
        """Ask once; see `KeyframeRequest.ask`."""
        target = await self._access.resolve()
        account = self._access.account(target)
        async with HttpClient(target, account=account, clock=self._clock) as client:
            response = await client.send("PUT")
            self.clock_reading = client.clock_reading
        if response.status != 200:
            raise error_of_status("requestKeyFrame", response)


class OnvifRequest:
    """``SetSynchronizationPoint`` of ONVIF's media services.

    Args:
        access: Where the device is, and who asks.
        stream: By its URL the profile is found, unless it names the profile's token.
        clock: Monotonic.
    """

    def __init__(self, access: CameraAccess, stream: StreamConfig, clock: Clock) -> None:
        self._access = access
        self._stream = stream
        self._clock = clock
        self._profile: MediaProfile | None = None
        self.clock_reading: ClockReading | None = None

    async def ask(self) -> None:
        """Ask once; see `KeyframeRequest.ask`. The profile is looked for the first time only."""
        target = await self._access.resolve()
        account = self._access.account(target)
        profile, self._profile = self._profile, None
        async with HttpClient(target, account=account, clock=self._clock) as client:
            device = OnvifDevice(client, account, target.path, self._clock)
            if profile is None and self._stream.keyframe_token is not None:
                profile = await device.profile(self._stream.keyframe_token)
            elif profile is None:
                profile = await device.find_profile(self._stream.url)
            await device.set_synchronization_point(profile)
            self._profile = profile
            told = self.clock_reading
            if told is None or self._clock.now() - told.at_s >= CLOCK_EVERY_S:
                with suppress(GatewayError):  # it has agreed to what it was asked for
                    await device.read_clock()
            self.clock_reading = device.clock_reading or told


_REQUESTS: dict[
    KeyframeProtocol, Callable[[CameraAccess, StreamConfig, Clock], KeyframeRequest]
] = {
    "onvif": OnvifRequest,
    "isapi": IsapiRequest,
}


def keyframe_url(stream: StreamConfig) -> str:
    """Return where the camera of *stream* is asked: as configured, else where it usually is.

    Raises:
        ConfigRejected: That cannot be told by the stream's URL.
    """
    if stream.keyframe_url is not None:
        return stream.keyframe_url
    parts = urlsplit(stream.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if stream.keyframe_requests == "onvif":
        return f"http://{host}{DEVICE_PATH}"
    channel = _CHANNEL.fullmatch(parts.path)
    if channel is None:
        message = "give keyframe_url, which the url tells only if it is /Streaming/Channels/<id>"
        raise ConfigRejected((Fault("/keyframe_url", "missing", message),))
    return f"http://{host}/ISAPI/Streaming/channels/{channel[1]}/requestKeyFrame"


def devices_of(camera: CameraConfig) -> set[str]:
    """Return where *camera* logs in, for streams and for keyframes (`CameraAccess.account`)."""
    if camera.device:
        return {camera.device}
    urls = [url for each in camera.streams for url in (each.url, each.keyframe_url) if url]
    return {urlsplit(url).hostname or "" for url in urls}


def keyframe_request(access: CameraAccess, stream: StreamConfig, clock: Clock) -> KeyframeRequest:
    """Return what asks the camera of *stream*, which says how; bounded in time as a whole."""
    assert stream.keyframe_requests is not None
    return _Bounded(_REQUESTS[stream.keyframe_requests](access, stream, clock))


class _Bounded:
    def __init__(self, request: KeyframeRequest) -> None:
        self._request = request

    @property
    def clock_reading(self) -> ClockReading | None:
        return self._request.clock_reading

    async def ask(self) -> None:
        try:
            async with time_limit(ASK_S):
                await self._request.ask()
        except TimeoutError:
            detail = f"the request has not ended within {ASK_S:g} s"
            raise SourceUnavailable(Reason.TIMEOUT, detail) from None
