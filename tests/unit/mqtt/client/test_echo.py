"""When what we say to ourselves is missed."""

from __future__ import annotations

import pytest

from gateway.model.errors import BrokerUnavailable
from gateway.mqtt.client.echo import EVERY_S, UNACKNOWLEDGED_S, WITHIN_S, EchoMonitor
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.clock import FakeClock


class Harness:
    """An echo and what is needed to hear it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.deaf = self.number = 0
        self.echo = EchoMonitor(self._make, clock=self.clock, on_missing=self._echo_missing)
        self.echo.start()

    def say(self) -> OutboundMessage:
        said = self.echo.next_echo()
        assert said is not None
        return said

    def hear(self, said: OutboundMessage) -> bool:
        return self.echo.receive(InboundMessage("e", said.payload))

    def _make(self) -> OutboundMessage:
        self.number += 1
        return OutboundMessage("e", b"%d" % self.number)

    def _echo_missing(self) -> None:
        self.deaf += 1


def test_the_first_is_said_at_once_and_then_every_90_s() -> None:
    """So that a connection that carries nothing is known for it soon."""
    harness = Harness()
    assert harness.hear(harness.say())
    assert harness.echo.next_echo() is None
    harness.clock.time_s += EVERY_S

    assert harness.hear(harness.say())


def test_it_knows_how_long_the_way_takes() -> None:
    """Of the newest that was heard; nothing before."""
    harness = Harness()
    assert harness.echo.rtt_ms is None
    said = harness.say()
    harness.clock.time_s += 0.038

    harness.hear(said)

    assert harness.echo.rtt_ms == pytest.approx(38)


def test_what_is_acknowledged_and_not_heard_breaks_the_connection() -> None:
    """20 s after the broker has taken it."""
    harness = Harness()
    harness.hear(harness.say())
    harness.clock.time_s += EVERY_S
    harness.echo.on_acknowledged(harness.say())
    harness.clock.time_s += WITHIN_S - 1
    assert harness.echo.next_echo() is None
    harness.clock.time_s += 2

    with pytest.raises(BrokerUnavailable):
        harness.echo.next_echo()


def test_a_slow_line_has_its_time() -> None:
    """What waits behind large messages is not late before the broker has had a chance."""
    harness = Harness()
    harness.hear(harness.say())
    harness.clock.time_s += EVERY_S
    harness.say()
    harness.clock.time_s += UNACKNOWLEDGED_S - 1
    assert harness.echo.next_echo() is None
    harness.clock.time_s += 2

    with pytest.raises(BrokerUnavailable):
        harness.echo.next_echo()


def test_a_broker_that_never_lets_us_hear_is_told_once_and_held() -> None:
    """Its access list does not let us; cutting would help nobody."""
    harness = Harness()
    for _ in range(5):
        harness.echo.on_acknowledged(harness.say())
        harness.clock.time_s += EVERY_S

    assert harness.deaf == 1


def test_a_message_of_somebody_else_is_not_ours() -> None:
    """Only what comes on the topic that we speak on."""
    harness = Harness()
    said = harness.say()
    assert not harness.echo.receive(InboundMessage("x", b"other"))
    assert harness.hear(said)


def test_an_echo_that_is_late_is_nobodys_message() -> None:
    """The connection before has left it behind: it proves nothing, and is for no one else."""
    harness = Harness()
    before = harness.say()
    harness.echo.start()
    said = harness.say()
    harness.clock.time_s += 1

    assert harness.hear(before)
    assert harness.echo.rtt_ms is None
    assert harness.hear(said)
    assert harness.echo.rtt_ms == pytest.approx(1000)


def test_while_our_loop_is_late_no_echo_is_missing() -> None:
    """It may have come, and nobody has read it."""
    harness = Harness()
    said = harness.say()
    assert harness.hear(said)
    harness.clock.time_s += EVERY_S
    harness.say()
    harness.clock.time_s += UNACKNOWLEDGED_S + 1

    harness.echo.forgive(UNACKNOWLEDGED_S)

    assert harness.echo.next_echo() is None
