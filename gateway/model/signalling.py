"""What a viewer and the gateway say to each other to begin and end a session.

Sources: the MQTT contract (docs/mqtt.md), WebRTC part; RFC 8829 for offer and answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import SecretStr, StringConstraints

from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_PORT = (
    r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}"
    r"|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
ICE_URL = re.compile(
    rf"stun:{_HOST}{_PORT}|turn:{_HOST}{_PORT}(?:\?transport=(?:udp|tcp))?"
    rf"|turns:{_HOST}{_PORT}(?:\?transport=tcp)?"
)
"""URL of a STUN or TURN server (RFC 7064, RFC 7065), as far as aiortc can use it: a name or an IPv4
address; no IPv6 address, no TLS over UDP."""

IceUrl = Annotated[str, StringConstraints(pattern=f"^(?:{ICE_URL.pattern})$", max_length=300)]
"""Such a URL in the settings of a gateway or of the console."""


@dataclass(frozen=True, slots=True)
class IceAddress:
    """Where an `IceUrl` leads.

    Attributes:
        host: A name or an IPv4 address.
        port: As it says, or the usual one (RFC 7064, RFC 7065).
        transport: Towards the server.
        tls: Whether it is ``turns:``.
    """

    host: str
    port: int
    transport: Literal["udp", "tcp"]
    tls: bool


def parse_ice_url(url: str) -> IceAddress:
    """Return where *url*, which `ICE_URL` allows, leads."""
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    host, _, port = place.partition(":")
    tls = scheme == "turns"
    return IceAddress(
        host,
        int(port or (5349 if tls else 3478)),
        "tcp" if tls or query == "transport=tcp" else "udp",
        tls,
    )


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Whose session: the viewer and the id the viewer gave it."""

    viewer: str
    session: str

    def __str__(self) -> str:
        return f"{self.viewer}/{self.session}"


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, ready to be used.

    Attributes:
        urls: ``stun:``, ``turn:`` or ``turns:`` URLs.
        username: For TURN.
        credential: For TURN; never logged.
    """

    urls: tuple[str, ...]
    username: str | None = None
    credential: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A viewer asks for a camera.

    Attributes:
        key: Whose session.
        camera: Camera id, not yet known to exist.
        profile: ``main`` or ``sub``, or None for the best that the viewer can take.
        sdp: As received; not yet validated.
        relay_only: Whether only relayed candidates may be used.
        lifetime_s: The session ends by itself after so many seconds without `Extend`; None: it
            does not.
        token: View token (`gateway.viewing.token`), not yet verified; never logged.
        ice_offered: Whether it names STUN or TURN servers; they are not used.
        slate: Whether the viewer is to be shown a slate while the camera is gone; False: it tells
            its user itself.
    """

    key: SessionKey
    camera: str
    sdp: str
    profile: str | None = None
    relay_only: bool = False
    lifetime_s: float | None = None
    token: SecretStr | None = None
    ice_offered: bool = False
    slate: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Our side of the session; all our candidates are in it."""

    key: SessionKey
    sdp: str


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """One trickled candidate of a viewer (``candidate:...`` line), or None for the end."""

    candidate: str | None
    mid: str | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """A batch of a viewer's candidates."""

    key: SessionKey
    candidates: tuple[RemoteCandidate, ...]


@dataclass(frozen=True, slots=True)
class Extend:
    """The viewer still watches: the session lasts *lifetime_s* seconds from now.

    With a fresh view token, *token*, the viewing may last as long as that allows.
    """

    key: SessionKey
    lifetime_s: float
    token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Bye:
    """The session ends; either side may say so.

    Attributes:
        why: Short word: ``viewer``, ``stopping``, ``camera``, ``silence``, ``replaced``.
    """

    key: SessionKey
    why: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The session does not begin, or cannot go on.

    Attributes:
        code: Status of the contract: 400, 403, 408, 410, 480, 486, 488 or 503.
        reason: From the closed list.
        detail: For people who mend it; no secret in it.
    """

    key: SessionKey
    code: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class SessionStats:
    """How a session fares, as our end sees it.

    Attributes:
        kbps: Sent over the last interval.
        loss_percent: RTP packets the viewer reports missing, of those sent.
        round_trip_ms: None until the viewer has reported.
        dropped_units: Access units not sent because the viewer was too slow.
        level: What the viewer is sent; None: the gateway does not say.
        why: Why not the camera's main stream; None: that is what is sent, or what was asked for.
        slate: Why the camera is gone, as the slate says that is sent in its place; None: none is.
    """

    key: SessionKey
    kbps: float
    loss_percent: float = 0.0
    round_trip_ms: float | None = None
    dropped_units: int = 0
    level: ViewLevel | None = None
    why: Reason | None = None
    slate: Reason | None = None
