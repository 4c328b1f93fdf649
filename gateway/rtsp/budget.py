"""What one camera may cost the machine: a token bucket for each kind of thing that it can send.

Costs are counted, not timed. A machine that is slow or busy must not cut off an honest camera, and
what is counted is the same in every run. Each allowance is several times what the fastest honest
camera sends (20 Mb/s, 4,000 packets/s, 60 pictures/s), and lets a burst pass, because a recorder
may begin with all that it has buffered and a short outage ends with all that has waited.

Who exceeds one is cut off as `ABUSIVE`, and is tried again with backoff.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.model.errors import SourceUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.runtime.rate_limit import TokenBucket

ABUSIVE_PAUSE_S = 30.0
"""An abusive camera is tried at most twice a minute."""

READ_BYTES = 32_768
"""Read from one camera before others have their turn: the loop's longest work for one of them."""

MAX_UNSENT_BYTES = 65_536
"""Of ours that a camera has not read. All requests of an hour are less."""


class Allowance(NamedTuple):
    """How many of something a camera may send.

    Attributes:
        name: What is counted, plural, for the error's text.
        per_s: How many a second in the long run.
        burst: How many at once.
    """

    name: str
    per_s: float
    burst: float


BYTES = Allowance("bytes", 8_000_000, 32_000_000)
PACKETS = Allowance("packets", 12_000, 24_000)
"""RTP packets, frames of channels that were not set up, NAL units of an aggregate, and reads."""
RTCP_PACKETS = Allowance("RTCP packets", 50, 500)
PICTURES = Allowance("pictures", 75, 600)
MESSAGES = Allowance("messages", 10, 100)
RESYNCS = Allowance("losses of the framing", 50, 250)
PARAMETER_SETS = Allowance("new parameter sets", 5, 100)
STRANGERS = Allowance("datagrams of strangers at its ports", 1_000, 5_000)
DISCONTINUITIES = Allowance("discontinuities", 1, 10)
"""Of HLS; each costs a process."""

ALLOWANCES = (
    BYTES,
    PACKETS,
    RTCP_PACKETS,
    PICTURES,
    MESSAGES,
    RESYNCS,
    PARAMETER_SETS,
    STRANGERS,
    DISCONTINUITIES,
)


class CameraBudget:
    """What is left of the allowances of one session with a camera."""

    def __init__(self, clock: Clock) -> None:
        self._buckets = {
            allowance: TokenBucket(allowance.per_s * 60, allowance.burst, clock=clock)
            for allowance in ALLOWANCES
        }

    def charge(self, allowance: Allowance, count: int = 1) -> None:
        """Note that the camera has sent *count* more.

        Raises:
            SourceUnavailable: That is more than it may (`ABUSIVE`).
        """
        if count and not self._buckets[allowance].try_acquire(count):
            raise abusive(f"more than {allowance.per_s:,.0f} {allowance.name} a second")


def abusive(detail: str) -> SourceUnavailable:
    """Return the error that cuts a camera off for *detail*."""
    return SourceUnavailable(Reason.ABUSIVE, detail, pause_s=ABUSIVE_PAUSE_S)
