"""How much of one site is read: its gateway may be in other hands, and there are thousands more.

Reading a message costs as much as there is in it, up to 20 ms for one that is packed. What exceeds
the limit is dropped before it is read.
"""

from __future__ import annotations

from gateway.mqtt.topic_tree import PLAIN
from gateway.ports import Clock, InboundMessage
from gateway.runtime.rate_limit import TokenBucket

REPORTS_PER_MIN, REPORTS = 600, 2_048
"""Reports of one site, a minute and at once. A console that starts is told each camera (512 at
most) and each alarm (1,024); a site where nothing happens sends two a minute."""

SIGNALS_PER_MIN, SIGNALS = 12_000, 2_048
"""Its signalling: 64 browsers with 16 pictures each are told six times a minute how those fare, and
an answer counts about four times."""

COUNTS_ONCE_BYTES = 2_048
"""A message counts as one for each so many bytes, since reading it costs as much."""

COMPRESSED_WEIGHT = 16
"""One that must be unpacked first counts so many times: 2 kB may hold all cameras of a site."""

MAX_SITES = 20_000
"""Sites that have a limit of their own; all others share one."""


class SiteLimits:
    """A bucket for each site.

    Args:
        per_min: Messages a minute of one site.
        burst: Messages of one site at once.
        clock: Monotonic.
    """

    def __init__(self, per_min: float, burst: float, *, clock: Clock) -> None:
        self._per_min, self._burst, self._clock = per_min, burst, clock
        self._buckets: dict[str, TokenBucket] = {}

    def try_acquire(self, site: str, message: InboundMessage) -> bool:
        """Return whether *message* of *site* may be read, and count it."""
        if site not in self._buckets and len(self._buckets) >= MAX_SITES:
            site = ""
        bucket = self._buckets.get(site)
        if bucket is None:
            bucket = TokenBucket(self._per_min, self._burst, clock=self._clock)
            self._buckets[site] = bucket
        return bucket.try_acquire(_weight(message))


def _weight(message: InboundMessage) -> float:
    """Return for how many messages *message* counts."""
    packed = COMPRESSED_WEIGHT if message.content_type not in ("", PLAIN) else 1
    return float(packed * (1 + len(message.payload) // COUNTS_ONCE_BYTES))
