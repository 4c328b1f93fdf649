"""How many commands may come: a bucket of tokens for each who asks, and one for all together."""

from __future__ import annotations

from collections import OrderedDict

from gateway.ports import Clock

ACTORS = 64
"""Who asks says so himself: the table of buckets must not grow with what is said."""

ALL = 4
"""All together may ask as much as so many."""


class TokenBucket:
    """Holds *burst* tokens and gets *per_min* more each minute."""

    def __init__(self, per_min: float, burst: float, *, clock: Clock) -> None:
        self._per_s = per_min / 60
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_s = clock.now()

    def take(self, count: float = 1.0) -> bool:
        """Take *count* tokens; False, and nothing is taken, if there are fewer."""
        now_s = self._clock.now()
        gained = (now_s - self._filled_s) * self._per_s
        self._tokens, self._filled_s = min(self._burst, self._tokens + gained), now_s
        if self._tokens < count:
            return False
        self._tokens -= count
        return True


class RateLimits:
    """Buckets by name; the one that was not asked for longest is forgotten first."""

    def __init__(self, per_min: float, burst: float, *, clock: Clock) -> None:
        self._per_min = per_min
        self._burst = burst
        self._clock = clock
        self._all = TokenBucket(per_min * ALL, burst * ALL, clock=clock)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def admits(self, actor: str) -> bool:
        """Whether *actor* may ask for one more thing now."""
        bucket = self._buckets.pop(actor, None)
        if bucket is None:
            bucket = TokenBucket(self._per_min, self._burst, clock=self._clock)
        self._buckets[actor] = bucket
        if len(self._buckets) > ACTORS:
            self._buckets.popitem(last=False)
        return bucket.take() and self._all.take()
