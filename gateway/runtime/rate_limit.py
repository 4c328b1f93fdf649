"""Token buckets: one, and one for each requester.

A token bucket lets a burst pass and bounds the mean rate (RFC 2697 section 1 has the same idea for
packets).
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.ports import Clock

REQUESTERS = 64
"""Buckets that are kept. Requesters name themselves: the table must not grow with what they say."""

TOTAL_FACTOR = 4
"""The bucket that all share is so many times as large as that of one requester."""


class TokenBucket:
    """Holds up to *burst* tokens and gains *per_min* a minute; it begins full.

    Args:
        per_min: Tokens gained a minute.
        burst: Tokens it holds at most.
        clock: Monotonic.
    """

    def __init__(self, per_min: float, burst: float, *, clock: Clock) -> None:
        self._per_s = per_min / 60
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_s = clock.now()

    def try_acquire(self, tokens: float = 1.0) -> bool:
        """Remove *tokens* and return True; with fewer in the bucket remove none, return False."""
        now_s = self._clock.now()
        gained = (now_s - self._filled_s) * self._per_s
        self._tokens, self._filled_s = min(self._burst, self._tokens + gained), now_s
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def give_back(self, tokens: float = 1.0) -> None:
        """Put back *tokens* that were removed for nothing."""
        self._tokens = min(self._burst, self._tokens + tokens)


class RateLimiter:
    """A bucket for each requester and one that all share.

    Of more than *requesters* the one that has been silent longest is forgotten.

    Args:
        per_min: Requests a minute of one requester.
        burst: Requests of one requester at once.
        clock: Monotonic.
        total_factor: So many times as much all together may.
        requesters: Buckets that are kept.
    """

    def __init__(
        self,
        per_min: float,
        burst: float,
        *,
        clock: Clock,
        total_factor: float = TOTAL_FACTOR,
        requesters: int = REQUESTERS,
    ) -> None:
        self._per_min = per_min
        self._burst = burst
        self._clock = clock
        self._requesters = requesters
        self._shared = TokenBucket(per_min * total_factor, burst * total_factor, clock=clock)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def try_acquire(self, requester: str, tokens: float = 1.0) -> bool:
        """Return whether *requester* may make one more request now, and count it as *tokens*.

        What is refused is not counted: who waits for the others does not use up their own.
        """
        bucket = self._buckets.pop(requester, None)
        if bucket is None:
            bucket = TokenBucket(self._per_min, self._burst, clock=self._clock)
        self._buckets[requester] = bucket
        if len(self._buckets) > self._requesters:
            self._buckets.popitem(last=False)
        if not bucket.try_acquire(tokens):
            return False
        if not self._shared.try_acquire(tokens):
            bucket.give_back(tokens)
            return False
        return True

    def give_back(self, requester: str, tokens: float = 1.0) -> None:
        """Put back *tokens* that *requester* had acquired: what it asked does not count."""
        self._shared.give_back(tokens)
        if (bucket := self._buckets.get(requester)) is not None:
            bucket.give_back(tokens)
