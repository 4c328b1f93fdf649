"""What goes next, what is dropped, and what comes back when a connection breaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt.client.inflight_window import (
    CONFLATED_WAITING,
    DIRECT_WAITING,
    IN_FLIGHT,
    InflightWindow,
)
from gateway.ports import OutboundMessage


def direct(number: int, topic: str = "d") -> OutboundMessage:
    return OutboundMessage(topic, b"%d" % number)


def state(number: int, topic: str = "s") -> OutboundMessage:
    return OutboundMessage(topic, b"%d" % number, path="conflated")


def test_ten_are_on_their_way_at_most() -> None:
    """Whatever the broker allows."""
    window = InflightWindow()
    for number in range(20):
        window.offer(direct(number))

    for number in range(IN_FLIGHT):
        publication = window.next(65_535)
        assert publication == direct(number)
        window.sent(number, publication)

    assert window.next(65_535) is None
    window.settled(0)
    assert window.next(65_535) == direct(10)


def test_the_broker_may_allow_less() -> None:
    """Its Receive Maximum counts when it is the smaller."""
    window = InflightWindow()
    window.offer(direct(0))
    window.offer(direct(1))
    window.sent(1, direct(0))

    assert window.next(1) is None


def test_of_a_state_only_the_newest_waits() -> None:
    """An old state is not worth sending."""
    window = InflightWindow()
    for number in range(5):
        window.offer(state(number))

    assert window.next(10) == state(4)
    assert window.next(10) is None


def test_a_state_on_its_way_is_not_overtaken() -> None:
    """The next one of the same topic waits for the acknowledgement."""
    window = InflightWindow()
    window.sent(1, state(0))
    window.offer(state(1))
    window.offer(state(0, "other"))

    assert window.next(10) == state(0, "other")
    assert window.next(10) is None
    window.settled(1)
    assert window.next(10) == state(1)


def test_a_broken_connection_gives_states_back_and_loses_the_rest() -> None:
    """Unacknowledged states wait again unless a newer one does; direct ones are counted."""
    window = InflightWindow()
    window.sent(1, state(0, "a"))
    window.sent(2, state(0, "b"))
    window.sent(3, direct(0))
    window.offer(state(1, "b"))
    window.offer(direct(1))

    assert window.broken() == 2
    assert [window.next(10), window.next(10)] == [state(1, "b"), state(0, "a")]


def test_waiting_is_bounded() -> None:
    """What does not fit is refused, so that it can be counted."""
    window = InflightWindow()

    assert sum(window.offer(direct(number)) for number in range(1000)) == DIRECT_WAITING
    taken = sum(window.offer(state(0, f"t{number}")) for number in range(5000))
    assert taken == CONFLATED_WAITING


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=60))
def test_the_order_of_a_topic_is_never_turned(steps: list[tuple[str, bool, bool]]) -> None:
    """However posting, sending and acknowledging interleave."""
    window, seen, packet = InflightWindow(), dict[str, int](), 0
    for number, (topic, conflated, settle) in enumerate(steps):
        make = state if conflated else direct
        window.offer(make(number, topic + ("s" if conflated else "d")))
        while (publication := window.next(3)) is not None:
            packet += 1
            window.sent(packet, publication)
            value = int(publication.payload)
            assert seen.get(publication.topic, -1) < value
            seen[publication.topic] = value
        if settle:
            window.settled(packet)
