"""What a browser is shown of a site and its cameras, ready to be written as JSON.

Times are the server's wall clock in milliseconds: the page shows ages by the server's clock, not
by its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.model.alarm import Argument, Severity
from gateway.model.health import State
from gateway.model.reasons import Reason

SiteState = Literal["on", "off", "unk"]
"""``unk``: connected for all we know, but silent for longer than health may be old."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """One camera on the page.

    Attributes:
        id: Camera id.
        name: What people call it.
        location: Where it hangs.
        st: As judged here: the gateway's word while it is fresh, else ``unk``.
        reason: Why; None if nothing is known.
        since_ms: Since when it is so; None if nothing is known.
        seen_ms: When the last word about it was said; None if nothing is known.
        attempts: Looks that have failed since it last worked.
        again_ms: When the gateway tries again; None: not planned.
        fps: Access units per second.
        kbps: Received from the camera.
        codec: FFmpeg's name for it.
        size: ``1920x1080``.
        viewers: Sessions watching it.
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


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One open alarm on the page.

    Attributes:
        key: E.g. ``cam.c07.down``.
        sev: How bad.
        reason: Why; the page has its sentence and what to do.
        since_ms: Since when it stands.
        args: What the sentence is about: a camera, a recorder, a value.
        flap: Whether it comes and goes.
        explains: How many other open alarms it explains.
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
        province: The province's name; empty if the code is not in the list in force.
        name: What people call the site; its gateway id if it has not said.
        st: As judged here.
        why: What the gateway or its will said last: ``connect``, ``lost``, ``stopping`` ...
        since_ms: Since when it is so; None if nothing is known.
        ep: Epoch of its connection; another one means that it has connected anew.
        version: Of its program.
        ids: All its cameras, in its order.
        cams: Those of them that are told this time.
        alarms: Open alarms that nothing explains, the worst first.
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
    ids: tuple[str, ...]
    cams: tuple[CameraView, ...]
    alarms: tuple[AlarmView, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerView:
    """Whether the server hears the sites: connected or not, and since when."""

    up: bool
    since_ms: int
