"""Gateways that are asked together do not answer together."""

from __future__ import annotations

from gateway.runtime.spread import phase_s


def test_a_gateway_always_has_the_same_moment() -> None:
    """By its id alone, so that it is the same after a restart; within the period, and in scale."""
    assert phase_s("site-0001", 300) == phase_s("site-0001", 300)
    assert phase_s("site-0001", 300) != phase_s("site-0002", 300)
    assert phase_s("site-0001", 600) == 2 * phase_s("site-0001", 300)
    assert phase_s("site-0001", 0) == 0


def test_gateways_spread_over_the_whole_time() -> None:
    """A thousand of them do not answer in step: no second has more than 12 of 1,000 in 300 s."""
    seconds = [int(phase_s(f"site-{number:04}", 300)) for number in range(1000)]

    assert max(seconds.count(second) for second in range(300)) <= 12
    assert set(range(0, 300, 30)) == {second // 30 * 30 for second in seconds}
