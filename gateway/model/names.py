"""The names by which things are known on the wire, and how they are spelled.

The patterns keep every name safe as one MQTT topic level, as a file name and in a log line.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import StringConstraints
from ulid import ULID

CameraId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,16}$")]
"""One camera of a site; the ``{cam}`` of the topic tree."""

DeviceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
"""A box that cameras hang on (recorder, encoder); login attempts are counted per device."""

GatewayId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{4,40}$")]
"""Globally unique, never reused; the ``{gw}`` of the topic tree and the MQTT client id.

Four characters at least, so that it can never be ``up`` or ``dn``.
"""

ProvinceCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]
"""Two digits; which list they belong to is the site's `province_scheme`."""

SessionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
"""One offer's life. Chosen by the viewer; the same id again is the same session."""

Profile = Literal["main", "sub"]
"""Which of a camera's encodings."""


def is_loopback(host: str) -> bool:
    """Return whether *host* can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def ulid_ms(ulid: str) -> int:
    """Return when *ulid* was made, ms since 1970. Raises ValueError: it is none."""
    return ULID.from_str(ulid).milliseconds


def first_ulid(time_ms: int) -> str:
    """Return the least ULID of the millisecond *time_ms* since 1970."""
    return str(ULID.from_bytes(time_ms.to_bytes(6, "big") + bytes(10)))


def new_id() -> str:
    """Return a new ULID: unique, and greater than those made in an earlier millisecond."""
    return str(ULID())
