"""The site document: which cameras there are and how far we may go for their viewers.

Parsing is strict: an unknown key is an error, because a typo must not silently mean the default.
URLs carry no credentials, so that they can be logged and reported as they are; passwords are
references to secrets that the machine holds.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.model.document import Document as Document
from gateway.model.document import repeated
from gateway.model.document import repeats as repeats
from gateway.model.names import CameraId, DeviceId, Profile
from gateway.model.survey import Survey, mistakes_in
from gateway.model.url_login import PASSWORD, USERNAME, has_written_password

SECRET_PREFIX = "secret:"

URL_SCHEMES = "url_schemes"
"""Key of pydantic's validation context: names of the schemes that a camera's URL may have. Without
it any scheme is valid."""

LOCAL_SCHEMES = frozenset({"v4l2"})
"""Of URLs that name a device of this machine instead of a host."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")


class SecretRef(Document):
    """A secret by name; its value never stands in a document.

    Written ``{"$ref": "secret:nvr1"}``, or ``"secret:nvr1"`` where that reads better; the value
    is read from the secrets folder of this machine (systemd credentials, or files of mode 0600).
    """

    ref: Annotated[str, Field(alias="$ref", pattern=r"^secret:[a-z0-9][a-z0-9_.-]{0,63}$")]

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: object) -> object:
        return {"$ref": given} if isinstance(given, str) else given

    @property
    def name(self) -> str:
        """The name behind ``secret:``."""
        return self.ref.removeprefix(SECRET_PREFIX)


def _camera_url(url: str, info: ValidationInfo) -> str:
    """Return *url* if it is written as a camera's address must be; where it leads is policy."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise PydanticCustomError("url.control", "it may hold printable ASCII only, no spaces")
    scheme = _SCHEME.match(url)
    known: tuple[str, ...] = (info.context or {}).get(URL_SCHEMES, ())
    if scheme is None or (known and scheme[1] not in known):
        begins = " or ".join(f"{each}://" for each in known) or "a scheme, e.g. rtsp://"
        said = f"it must begin with {begins}"
        values = {"allowed": ", ".join(known) or "rtsp", **_scheme_kind(url)}
        raise PydanticCustomError("url.scheme", "{said}", {"said": said, **values})
    try:
        parts = urlsplit(url)
    except ValueError:
        raise PydanticCustomError("url.host", "it names no host") from None
    if mistake := _url_mistake(parts):
        raise mistake
    return url


def _scheme_kind(url: str) -> dict[str, str]:
    """Return what is wrong with the beginning of *url*; nothing: it has none."""
    if found := re.match(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://", url):
        lower = found[1] != found[1].lower()
        return {"kind": "case" if lower else "unknown", "got": found[1]}
    if found := re.match(r"(?i)(rtsps?|https?|rtmps?|udp)(?::/?|//?|;//)", url):
        return {"kind": "slashes", "got": found[1].lower()}
    return {}


def _url_mistake(parts: SplitResult) -> PydanticCustomError | None:
    if "@" in parts.netloc:
        return PydanticCustomError(
            "url.userinfo", "user and password stand in username and password, not in the url"
        )
    if parts.scheme in LOCAL_SCHEMES:
        return _device_mistake(parts)
    if not parts.hostname:
        return PydanticCustomError("url.host", "it names no host")
    if not _has_port(parts):
        port = parts.netloc.rpartition(":")[2][:20]
        return PydanticCustomError("url.port", "a port is a number from 1 to 65535", {"got": port})
    if has_written_password(f"{parts.path}?{parts.query}"):
        return PydanticCustomError(
            "url.userinfo", "write {place} where the password stands", {"place": PASSWORD}
        )
    if parts.fragment:
        return PydanticCustomError("url.fragment", "a # has no meaning here; write it as %23")
    return None


def _device_mistake(parts: SplitResult) -> PydanticCustomError | None:
    if parts.netloc or not parts.path.startswith("/dev/"):
        return PydanticCustomError("url.host", "a device is written v4l2:///dev/video0")
    if parts.fragment:
        return PydanticCustomError("url.fragment", "a # has no meaning here; write it as %23")
    return None


def _has_port(parts: SplitResult) -> bool:
    """Return whether the port of *parts*, if there is one, can be one."""
    try:
        return parts.port != 0
    except ValueError:
        return False


CameraUrl = Annotated[str, Field(max_length=1024), AfterValidator(_camera_url)]


KeyframeProtocol = Literal["onvif", "isapi"]


class StreamConfig(Document):
    """One profile of a camera.

    Attributes:
        profile: ``main`` or ``sub``; at most one of each per camera.
        url: ``rtsp://host[:port]/path`` or ``rtsps://``, without user and password; if the
            settings allow it ``http://`` or ``https://`` (JPEG, FLV, MPEG-TS, MP4), ``rtmp://`` or
            ``rtmps://``, or ``udp://`` (MPEG-TS that the host sends to our port, or others to it if
            it is a multicast group). Cameras that want the login in path or query have
            ``{username}`` and ``{password}`` there. A capture device of this machine, if the
            settings name it: ``v4l2:///dev/video0?standard=PAL&input=0``.
        transport: How RTP travels. ``tcp`` is interleaved in the RTSP connection; ``auto``
            tries that first and takes UDP when the camera answers 461.
        keep: ``on_demand`` opens for the first viewer and closes `linger_s` after the last;
            ``warm`` is always open, so that the first picture is there at once.
        stall_s: How long nothing may arrive before the stream counts as stalled.
        snapshot_s: From one picture to the next, of a camera that sends single JPEG files.
        keyframe_s: How long no keyframe may arrive before that is reported; in force is the
            larger of this and twice the measured GOP.
        linger_s: How long a stream that nobody watches is kept open.
        keyframe_requests: How the camera is asked for a keyframe when one is missing: ``onvif``
            (SetSynchronizationPoint) or ``isapi`` (requestKeyFrame). None: it is not asked.
        keyframe_url: Where, ``http://`` or ``https://``, if the settings allow it. None: port 80 of
            the host in `url`, at the path that is usual.
        keyframe_token: ONVIF's token of the stream's profile. None: found by the path of `url`.
    """

    profile: Profile = "main"
    url: CameraUrl
    transport: Literal["auto", "tcp", "udp"] = "auto"
    keep: Literal["on_demand", "warm"] = "on_demand"
    stall_s: Annotated[float, Field(ge=2, le=120)] = 5.0
    snapshot_s: Annotated[float, Field(ge=0.2, le=60)] = 1.0
    keyframe_s: Annotated[float, Field(ge=2, le=300)] = 15.0
    linger_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    keyframe_requests: KeyframeProtocol | None = None
    keyframe_url: CameraUrl | None = None
    keyframe_token: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")] | None = None

    @model_validator(mode="after")
    def _asks_for_keyframes_somehow(self) -> Self:
        mistakes = []
        if self.keyframe_requests is None:
            for field in ("keyframe_url", "keyframe_token"):
                if (given := getattr(self, field)) is not None:
                    error = PydanticCustomError(
                        "incomplete", "it needs keyframe_requests beside it"
                    )
                    mistakes.append(InitErrorDetails(type=error, loc=(field,), input=given))
        elif self.keyframe_url is not None and not self.keyframe_url.startswith(
            ("http:", "https:")
        ):
            wrong = PydanticCustomError("url.scheme", "it must begin with http:// or https://")
            mistakes.append(
                InitErrorDetails(type=wrong, loc=("keyframe_url",), input=self.keyframe_url)
            )
        if mistakes:
            raise ValidationError.from_exception_data("stream", mistakes)
        return self


class CameraConfig(Document):
    """One camera.

    Attributes:
        id: Short name on the wire.
        name: What people call it, shown to viewers, e.g. ``Quầy 7``.
        location: Where it hangs, for people.
        device: The box it hangs on; login attempts are counted per device. None: its host.
        username: For RTSP authentication.
        password: Reference to the secret.
        allow_basic: Whether the password may be sent in clear (RTSP Basic). Off: Digest only.
        enabled: A camera that is not is left alone and reported as paused.
        streams: Best first.
    """

    id: CameraId
    name: Annotated[str, Field(min_length=1, max_length=120)]
    location: Annotated[str, Field(max_length=200)] = ""
    device: DeviceId | None = None
    username: Annotated[str, Field(max_length=64)] | None = None
    password: SecretRef | None = None
    allow_basic: bool = False
    enabled: bool = True
    streams: Annotated[tuple[StreamConfig, ...], Field(min_length=1, max_length=2)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        mistakes = list(repeated("streams", "profile", [each.profile for each in self.streams]))
        if self.password is not None and not self.username:
            lacks = PydanticCustomError("incomplete", "a password needs a username beside it")
            mistakes.append(InitErrorDetails(type=lacks, loc=("username",), input=self.username))
        mistakes += [
            InitErrorDetails(type=mistake, loc=("streams", index, "url"), input=stream.url)
            for index, stream in enumerate(self.streams)
            if (mistake := self._login_mistake(stream.url))
        ]
        if mistakes:
            raise ValidationError.from_exception_data("camera", mistakes)
        return self

    def _login_mistake(self, url: str) -> PydanticCustomError | None:
        """Return what *url*, if it has a place for the login, lacks."""
        if USERNAME in url and not self.username:
            return PydanticCustomError("url.login", "the url has a place for a user; none is given")
        if PASSWORD in url and not (self.password is not None and self.allow_basic):
            return PydanticCustomError(
                "url.login", "the url sends the password in clear: set password and allow_basic"
            )
        return None


class Limits(Document):
    """How far the gateway may go.

    Attributes:
        viewers: Sessions at once, all cameras together.
        viewers_per_camera: Sessions at once of one camera.
        payload_bytes: Largest RTP payload sent; 1180 fits paths of 1280 bytes.
        gop_bytes: Most that is kept of one GOP, in memory, per stream.
        gop_s: Longest GOP that is kept, in seconds of video.
        burst_mbps: How fast the cached GOP is sent to a viewer who joins; keyframes are spread
            over the line at this rate. Ordinary receivers on busy machines lose much of it at 200
            (docs/performance.md).
    """

    viewers: Annotated[int, Field(ge=1, le=1000)] = 32
    viewers_per_camera: Annotated[int, Field(ge=1, le=1000)] = 16
    payload_bytes: Annotated[int, Field(ge=500, le=1400)] = 1180
    gop_bytes: Annotated[int, Field(ge=65_536, le=67_108_864)] = 16_777_216
    gop_s: Annotated[float, Field(ge=1, le=120)] = 20.0
    burst_mbps: Annotated[float, Field(ge=1, le=10_000)] = 30.0


class SiteConfig(Document):
    """Everything about a site that the centre may set. Replaced whole, never patched.

    Attributes:
        inventory: What people have declared about it; None: nothing yet.
    """

    version: Annotated[int, Field(ge=0, lt=2**53)] = 0
    name: Annotated[str, Field(max_length=200)] = ""
    cameras: Annotated[tuple[CameraConfig, ...], Field(max_length=512)] = ()
    limits: Limits = Limits()
    inventory: Survey | None = None

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> Self:
        mistakes = list(repeated("cameras", "id", [each.id for each in self.cameras]))
        if self.inventory is not None:
            known = frozenset(each.id for each in self.cameras)
            for wrong in mistakes_in(self.inventory, known):
                wrong["loc"] = ("inventory", *wrong.get("loc", ()))
                mistakes.append(wrong)
        if mistakes:
            raise ValidationError.from_exception_data("site", mistakes)
        return self
