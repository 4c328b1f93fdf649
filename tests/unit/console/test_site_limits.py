"""How much of one site is read."""

from __future__ import annotations

from gateway.console.site_limits import COMPRESSED_WEIGHT, COUNTS_ONCE_BYTES, SiteLimits
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN
from gateway.ports import InboundMessage
from tests.fixtures.clock import FakeClock


def message(size: int = 1, kind: str = PLAIN) -> InboundMessage:
    return InboundMessage("topic", bytes(size), False, content_type=kind)


def test_a_site_that_says_too_much_takes_nothing_from_another() -> None:
    """Each has a bucket of its own, and gains with time."""
    clock = FakeClock()
    limits = SiteLimits(60, 100, clock=clock)

    assert sum(limits.try_acquire("24/a", message()) for _ in range(500)) == 100
    assert limits.try_acquire("24/b", message())
    clock.time_s += 1.0
    assert limits.try_acquire("24/a", message())
    assert not limits.try_acquire("24/a", message())


def test_what_costs_more_counts_more() -> None:
    """By its bytes, and if it must be unpacked."""
    limits = SiteLimits(60, 100, clock=FakeClock())

    assert limits.try_acquire("24/a", message(50 * COUNTS_ONCE_BYTES))
    assert not limits.try_acquire("24/a", message(50 * COUNTS_ONCE_BYTES))
    packed = [limits.try_acquire("24/b", message(1, COMPRESSED)) for _ in range(100)]
    assert sum(packed) == 100 // COMPRESSED_WEIGHT
