"""The `Transport`, `Session` and `Date` headers, formatted and parsed. No I/O.

References: RFC 2326 §12.39 and §12.37.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

DEFAULT_TIMEOUT_S = 60.0
"""Of a session whose server names none (RFC 2326 §12.37)."""

LONGEST_SESSION_ID = 256
LONGEST_DATE = 64

_FIRST_UNIX_S, _LAST_UNIX_S = 631_152_000, 4_102_444_800
"""From 1990 to 2100: a camera that has lost its time says 1970, one that counts from 1900 less."""

_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Transport:
    """What the server has agreed to.

    Attributes:
        profile: What carries the media, in upper case, e.g. ``RTP/AVP/TCP``.
        interleaved: Channels of RTP and RTCP in the RTSP connection; None over UDP.
        server_ports: Its UDP ports of RTP and RTCP; None if not told, as by ``0-1``.
        datagrams: Whether it names ports at all.
    """

    profile: str = ""
    interleaved: tuple[int, int] | None = None
    server_ports: tuple[int, int] | None = None
    datagrams: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """An RTSP session of ours.

    Attributes:
        id: As the server named it; empty: it has not.
        timeout_s: How long the server keeps it without hearing from us.
        transport: ``tcp`` (interleaved) or ``udp``.
    """

    id: str
    timeout_s: float
    transport: str

    @property
    def fields(self) -> dict[str, str]:
        """Header fields of a request within the session."""
        return {"Session": self.id} if self.id else {}


def interleaved_transport(first: int) -> str:
    """Return the header that asks for RTP within the connection, on *first* and the next."""
    return f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"


def udp_transport(rtp_port: int) -> str:
    """Return the header that asks for UDP to *rtp_port*, RTCP to the next."""
    return f"RTP/AVP;unicast;client_port={rtp_port}-{rtp_port + 1}"


def parse_transport(text: str) -> Transport:
    """Return what the header says. Never raises; what is out of range counts as not said."""
    fields: dict[str, str] = {}
    profile, *parts = text.partition(",")[0].split(";")[:32]
    for part in parts:
        name, _, value = part.partition("=")
        fields.setdefault(name.strip().lower(), value.strip().strip('"'))
    return Transport(
        profile=profile.strip().upper(),
        interleaved=_pair(fields.get("interleaved", ""), 255),
        server_ports=_ports(fields.get("server_port", "")),
        datagrams=bool(fields.keys() & {"client_port", "server_port"}),
    )


def parse_session(text: str) -> tuple[str, float] | None:
    """Return session id and time-out in seconds, or None if the header names no session."""
    name = text.partition(";")[0].strip()
    if not 0 < len(name) <= LONGEST_SESSION_ID or not all("!" <= char <= "~" for char in name):
        return None
    match = _TIMEOUT.search(text)
    timeout_s = float(match[1]) if match else DEFAULT_TIMEOUT_S
    return name, timeout_s or DEFAULT_TIMEOUT_S


def parse_date(text: str) -> float | None:
    """Return the header's time in seconds since 1970, or None if it names no wall time.

    Also as live555 writes it: ``Sat, Nov 28 2026 14:17:56 GMT``. Without a zone it is UTC.
    """
    try:
        parts = parsedate_tz(text[:LONGEST_DATE])
        unix_s = float(mktime_tz((*parts[:9], parts[9] or 0))) if parts else 0.0
    except (ValueError, OverflowError, IndexError):
        return None
    return unix_s if _FIRST_UNIX_S <= unix_s < _LAST_UNIX_S else None


def _ports(text: str) -> tuple[int, int] | None:
    pair = _pair(text, 65_535)
    return pair if pair is not None and min(pair) > 0 else None


def _pair(text: str, most: int) -> tuple[int, int] | None:
    match = _PAIR.fullmatch(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    return (first, second) if first <= most and second <= most and first != second else None
