"""Counts what is dropped of what comes to viewers' ports, by cause; logs it once a minute.

Anybody can send to an open UDP port as fast as the line carries: what is dropped must cost no line
of log each.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from gateway.ports import Clock
from gateway.runtime.log_limit import RateLimitedLog

LOG_S = 60.0
"""Between two lines in the log."""


class DropCause(StrEnum):
    """Why a datagram, or a part of it, was dropped.

    Attributes:
        SHAPE: Empty, oversized, or of no protocol that is spoken here (RFC 7983 §7).
        STUN_SHAPE: STUN that is malformed (RFC 8489 §5, §14).
        STUN_UNKNOWN: STUN that is not for this session: another ufrag, a wrong signature, an
            answer to nothing that was asked.
        STUN_BUDGET: More checks, or from more addresses, than ICE needs.
        UNCHECKED: DTLS or SRTCP from an address whose connectivity check has not begun.
        DTLS_BUDGET: More DTLS than a handshake needs.
        SRTCP_BUDGET: More SRTCP than a viewer has to say.
        SRTCP_AUTHENTICATION: SRTCP that the viewer has not encrypted.
        FEEDBACK_BUDGET: Parts of RTCP beyond what one viewer may ask for.
        TURN: What a TURN server sends that is malformed or was not asked for.
        TURN_LIFETIME: An allocation that would have to be refreshed without pause.
    """

    SHAPE = "shape"
    STUN_SHAPE = "stun_shape"
    STUN_UNKNOWN = "stun_unknown"
    STUN_BUDGET = "stun_budget"
    UNCHECKED = "unchecked"
    DTLS_BUDGET = "dtls_budget"
    SRTCP_BUDGET = "srtcp_budget"
    SRTCP_AUTHENTICATION = "srtcp_authentication"
    FEEDBACK_BUDGET = "feedback_budget"
    TURN = "turn"
    TURN_LIFETIME = "turn_lifetime"


class InboundDrops:
    """The counters of all sessions.

    Args:
        clock: Monotonic, for the log's pace.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._counts: Counter[DropCause] = Counter()
        self._log = RateLimitedLog("webrtc", "inbound_dropped", clock=clock, every_s=LOG_S)

    @property
    def counts(self) -> dict[str, int]:
        """How many have been dropped since the start, for every cause."""
        return {cause.value: self._counts[cause] for cause in DropCause}

    def count(self, cause: DropCause, source: str) -> None:
        """Count one more; *source* says where it came from, for the log."""
        self._counts[cause] += 1
        self._log.count(f"{cause} from {source}")
