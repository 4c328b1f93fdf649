"""Faults of a virtual camera, one frozen value for each kind.

Set at run time (``camera.fault = Stall()``). `parse_fault` reads what the control endpoint
receives, e.g. ``{"fault": "jump", "by_s": -9800, "pictures": 1}``.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TypeAlias, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Stall:
    """RTSP requests are answered, but no RTP is sent."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Connections are closed as soon as they are made."""


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """The camera neither reads nor writes any more and closes nothing: a power cut, a lost NAT."""


@dataclass(frozen=True, slots=True)
class Status:
    """A method is answered with an error status.

    Attributes:
        code: E.g. 401 (with any password), 403, 404, 453, 461, 503.
        method: The requests that get this status.
        transport: Only for a SETUP that asks for ``tcp`` or ``udp``; empty: for all.
    """

    code: int
    method: str = "DESCRIBE"
    transport: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """DESCRIBE is answered by 302 to *target*."""

    target: str
    code: int = 302


@dataclass(frozen=True, slots=True)
class InterleavedGarbage:
    """Random bytes are sent between interleaved packets, before each *every*-th picture."""

    size_bytes: int = 200
    every: int = 25


@dataclass(frozen=True, slots=True)
class GarbageReply:
    """Requests are answered with random bytes."""

    size_bytes: int = 2000


@dataclass(frozen=True, slots=True)
class OversizedHeader:
    """Replies carry one header of this size."""

    size_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class EndlessHeaders:
    """The headers of a reply never end."""


@dataclass(frozen=True, slots=True)
class HugeBody:
    """DESCRIBE announces a body of this size and sends it for as long as the client reads."""

    size_bytes: int = 1_500_000_000


@dataclass(frozen=True, slots=True)
class ManySections:
    """The SDP has this many video sections."""

    count: int = 4000


@dataclass(frozen=True, slots=True)
class Drip:
    """Replies come a byte at a time, this many per second."""

    bytes_per_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Slow:
    """Every reply comes late."""

    delay_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Jump:
    """Timestamps jump by *by_s* seconds for *pictures* pictures; 0: for all from then on."""

    by_s: float
    pictures: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Each *every*-th RTP packet is not sent, though its sequence number is used."""

    every: int = 50


@dataclass(frozen=True, slots=True)
class NoMarker:
    """No packet has the marker bit."""


@dataclass(frozen=True, slots=True)
class MarkerOnSets:
    """Parameter sets are sent alone and with the marker bit, as if they were pictures."""


@dataclass(frozen=True, slots=True)
class SetsOnlyInSdp:
    """Parameter sets are not repeated in the stream."""


@dataclass(frozen=True, slots=True)
class NoSetsInSdp:
    """The SDP has no parameter sets; they come in the stream only."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """The picture stands still while the timestamps go on."""


Fault: TypeAlias = (
    Stall
    | HangUp
    | HalfOpen
    | Status
    | Redirect
    | InterleavedGarbage
    | GarbageReply
    | OversizedHeader
    | EndlessHeaders
    | HugeBody
    | ManySections
    | Drip
    | Slow
    | Jump
    | Loss
    | NoMarker
    | MarkerOnSets
    | SetsOnlyInSdp
    | NoSetsInSdp
    | Frozen
)

KINDS: dict[str, type[Fault]] = {kind.__name__.lower(): kind for kind in get_args(Fault)}
"""Every fault by its name on the control endpoint."""


def parse_fault(document: object) -> Fault:
    """Return the fault that *document*, decoded JSON, describes.

    Raises:
        ValueError: It is invalid; the message says why and what is possible.
    """
    if not isinstance(document, dict):
        raise ValueError('expected an object such as {"fault": "stall"}')
    given = dict(document)
    kind = KINDS.get(str(given.pop("fault", "")))
    if kind is None:
        raise ValueError(f"fault must be one of {', '.join(sorted(KINDS))}")
    hints = get_type_hints(kind)
    for key, setting in given.items():
        wanted = hints.get(key)
        if wanted is None:
            raise ValueError(f"{kind.__name__.lower()} takes {', '.join(hints) or 'nothing'}")
        if isinstance(setting, bool) or not isinstance(
            setting, (int, float) if wanted is float else wanted
        ):
            raise ValueError(f"{key} must be of type {wanted.__name__}")
    missing = [each.name for each in fields(kind) if each.default is MISSING]
    if lacking := [name for name in missing if name not in given]:
        raise ValueError(f"{kind.__name__.lower()} needs {', '.join(lacking)}")
    return kind(**given)
