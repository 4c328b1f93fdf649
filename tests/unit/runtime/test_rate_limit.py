"""Token buckets: a burst passes, the mean rate is bounded, the table does not grow."""

from __future__ import annotations

from gateway.runtime.rate_limit import REQUESTERS, TOTAL_FACTOR, RateLimiter, TokenBucket
from tests.fixtures.clock import FakeClock


def test_a_bucket_lets_a_burst_pass_and_fills_again() -> None:
    """60 a minute is one a second; it never holds more than its burst."""
    clock = FakeClock()
    bucket = TokenBucket(60, 3, clock=clock)

    assert [bucket.try_acquire() for _ in range(4)] == [True, True, True, False]
    clock.time_s += 2
    assert [bucket.try_acquire() for _ in range(3)] == [True, True, False]
    clock.time_s += 3600
    assert [bucket.try_acquire() for _ in range(4)] == [True, True, True, False]


def test_who_wants_more_than_there_is_gets_nothing() -> None:
    """And what there is remains for who wants less."""
    bucket = TokenBucket(60, 3, clock=FakeClock())

    assert not bucket.try_acquire(4)
    assert bucket.try_acquire(3)


def test_each_requester_has_a_bucket_and_all_share_one() -> None:
    """Who has used his up leaves the others theirs; inventing names does not help."""
    limiter = RateLimiter(60, 2, clock=FakeClock())

    assert [limiter.try_acquire("a") for _ in range(3)] == [True, True, False]
    passed = sum(limiter.try_acquire(f"b{number}") for number in range(20))
    assert passed == 2 * TOTAL_FACTOR - 2


def test_who_is_refused_because_of_the_others_uses_nothing_up() -> None:
    """While they flood a modest one asks in vain; afterwards its own bucket is still full."""
    clock = FakeClock()
    limiter = RateLimiter(60, 4, clock=clock)
    for number in range(16):
        assert limiter.try_acquire(f"b{number % 4}")

    refused = [limiter.try_acquire("modest") for _ in range(10)]
    clock.time_s += 1  # the shared bucket gains four, that of each requester one

    assert not any(refused)
    assert [limiter.try_acquire("modest") for _ in range(4)] == [True] * 4


def test_the_longest_silent_requester_is_forgotten() -> None:
    """The table holds so many and no more: the first begins anew with a full bucket."""
    limiter = RateLimiter(1, 100, clock=FakeClock())
    for _ in range(100):
        limiter.try_acquire("first")
    assert not limiter.try_acquire("first")
    for number in range(REQUESTERS):
        limiter.try_acquire(f"other-{number}")

    assert limiter.try_acquire("first")
