"""Which way to the broker is taken next."""

from __future__ import annotations

from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.failover import SOON_S, TRIES, BrokerFailover
from tests.fixtures.clock import FakeClock

FIRST = BrokerAddress(host="127.0.0.1", port=1)
SECOND = BrokerAddress(host="127.0.0.1", port=2, transport="websockets")


def test_the_second_way_is_taken_after_three_failures_in_a_row() -> None:
    """And the first again after three of the second."""
    ways = BrokerFailover(FIRST, SECOND, clock=FakeClock())
    taken = []
    for _ in range(TRIES * 3):
        taken.append(ways.address)
        ways.on_connect_failed()

    assert taken == [FIRST] * TRIES + [SECOND] * TRIES + [FIRST] * TRIES


def test_a_connection_in_between_starts_the_count_over() -> None:
    """A line that is bad, and not closed, is no reason to leave it."""
    ways = BrokerFailover(FIRST, SECOND, clock=FakeClock())
    for _ in range(TRIES):
        ways.on_connect_failed()
        ways.on_connection_lost(SOON_S + 1)

    assert ways.address is FIRST


def test_a_connection_that_ends_at_once_counts_as_none() -> None:
    """A firewall may look at what is said before it closes the way."""
    ways = BrokerFailover(FIRST, SECOND, clock=FakeClock())
    for _ in range(TRIES):
        ways.on_connection_lost(0.1)

    assert ways.address is SECOND


async def test_without_a_second_way_there_is_nothing_to_do() -> None:
    """The first is taken, however often it fails."""
    ways = BrokerFailover(FIRST, clock=FakeClock())
    for _ in range(TRIES * 2):
        ways.on_connect_failed()
    await ways.run()

    assert ways.address is FIRST
