"""What a browser is sent of a site and its cameras, as values that become JSON.

Times are the server's wall clock in milliseconds since 1970; the page shows ages by the server's
clock, not by its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.model.alarm import Argument, Severity
from gateway.model.health import State
from gateway.model.reasons import Reason

SiteState = Literal["on", "off", "unk"]
"""``unk`` (unknown): not reported offline, but no health for longer than `STALE_S`."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """One camera on the page.

    Attributes:
        id: Camera id.
        name: Name for people.
        location: Place for people.
        st: As the gateway has reported it; ``unk`` if that is too old.
        reason: Why it is in that state; None if unknown.
        since_ms: Since when it is in that state; None if unknown.
        seen_ms: When its last report was sent; None if there is none.
        attempts: Failed attempts to open it since it last worked.
        again_ms: When the gateway tries again; None if it does not.
        fps: Access units per second.
        kbps: Bit rate received from the camera, in kbit/s.
        codec: ``h264``, ``h265``, ``mjpeg`` or ``mpeg4``.
        size: Of the picture, e.g. ``1920x1080``.
        viewers: Viewing sessions.
        advice: What should be changed at the camera or recorder although it works.
    """

    id: str
    name: str
    location: str
    st: State
    reason: Reason | None = None
    since_ms: int | None = None
    seen_ms: int | None = None
    attempts: int = 0
    again_ms: int | None = None
    fps: float = 0.0
    kbps: float = 0.0
    codec: str | None = None
    size: str | None = None
    viewers: int = 0
    advice: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One raised alarm on the page.

    Attributes:
        key: E.g. ``cam.c07.down``.
        sev: Severity.
        reason: Cause; the page has a text and advice for each.
        since_ms: Since when it is raised.
        args: Parameters of the text: a camera, a recorder, a value.
        flap: Whether it is flapping.
        explains: How many raised alarms have this one as their parent.
    """

    key: str
    sev: Severity
    reason: Reason
    since_ms: int | None
    args: Mapping[str, Argument]
    flap: bool
    explains: int


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site on the page.

    Attributes:
        gw: Gateway id.
        prov: Province code.
        province: Its name; empty if the code is unknown.
        name: Of the site; its gateway id until the birth names it.
        st: State at the time of sending.
        why: From the last presence or will: ``connect``, ``lost``, ``stopping`` ...
        since_ms: Since when it is so; None if nothing is known.
        ep: Epoch of its connection; a new one means that it has reconnected.
        version: Of the gateway's software.
        invalid: What is wrong with its newest report, e.g. ``birth: /cams too_long``;
            empty: nothing. The rest then shows what was known before.
        ids: Of all its cameras, in the order of the birth.
        cams: The cameras that this message is about.
        alarms: Raised alarms without a raised parent, the most severe first.
    """

    gw: str
    prov: str
    province: str
    name: str
    st: SiteState
    why: str
    since_ms: int | None
    ep: int | None
    version: str
    invalid: str
    ids: tuple[str, ...]
    cams: tuple[CameraView, ...]
    alarms: tuple[AlarmView, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerView:
    """Whether the server is connected to the broker, and since when."""

    up: bool
    since_ms: int
