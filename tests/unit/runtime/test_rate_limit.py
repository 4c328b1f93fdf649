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


def test_the_longest_silent_requester_is_forgotten() -> None:
    """The table holds so many and no more: the first begins anew with a full bucket."""
    limiter = RateLimiter(1, 100, clock=FakeClock())
    for _ in range(100):
        limiter.try_acquire("first")
    assert not limiter.try_acquire("first")
    for number in range(REQUESTERS):
        limiter.try_acquire(f"other-{number}")

    assert limiter.try_acquire("first")
