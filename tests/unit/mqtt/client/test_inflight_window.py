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
        window.enqueue(direct(number))

    for number in range(IN_FLIGHT):
        publication = window.next_message(65_535)
        assert publication == direct(number)
        window.mark_sent(number, publication)

    assert window.next_message(65_535) is None
    window.settle(0)
    assert window.next_message(65_535) == direct(10)


def test_the_broker_may_allow_less() -> None:
    """Its Receive Maximum counts when it is the smaller."""
    window = InflightWindow()
    window.enqueue(direct(0))
    window.enqueue(direct(1))
    window.mark_sent(1, direct(0))

    assert window.next_message(1) is None


def test_of_a_state_only_the_newest_waits() -> None:
    """An old state is not worth sending."""
    window = InflightWindow()
    for number in range(5):
        window.enqueue(state(number))

    assert window.next_message(10) == state(4)
    assert window.next_message(10) is None


def test_a_state_on_its_way_is_not_overtaken() -> None:
    """The next one of the same topic waits for the acknowledgement."""
    window = InflightWindow()
    window.mark_sent(1, state(0))
    window.enqueue(state(1))
    window.enqueue(state(0, "other"))

    assert window.next_message(10) == state(0, "other")
    assert window.next_message(10) is None
    window.settle(1)
    assert window.next_message(10) == state(1)


def test_a_broken_connection_gives_states_back_and_loses_the_rest() -> None:
    """Unacknowledged states wait again unless a newer one does; direct ones are counted."""
    window = InflightWindow()
    window.mark_sent(1, state(0, "a"))
    window.mark_sent(2, state(0, "b"))
    window.mark_sent(3, direct(0))
    window.enqueue(state(1, "b"))
    window.enqueue(direct(1))

    assert window.on_connection_lost() == 2
    assert [window.next_message(10), window.next_message(10)] == [state(1, "b"), state(0, "a")]


def test_waiting_is_bounded() -> None:
    """What does not fit is refused, so that it can be counted."""
    window = InflightWindow()

    assert sum(window.enqueue(direct(number)) for number in range(1000)) == DIRECT_WAITING
    taken = sum(window.enqueue(state(0, f"t{number}")) for number in range(5000))
    assert taken == CONFLATED_WAITING


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=60))
def test_the_order_of_a_topic_is_never_turned(steps: list[tuple[str, bool, bool]]) -> None:
    """However posting, sending and acknowledging interleave."""
    window, seen, packet = InflightWindow(), dict[str, int](), 0
    for number, (topic, conflated, settle) in enumerate(steps):
        make = state if conflated else direct
        window.enqueue(make(number, topic + ("s" if conflated else "d")))
        while (publication := window.next_message(3)) is not None:
            packet += 1
            window.mark_sent(packet, publication)
            value = int(publication.payload)
            assert seen.get(publication.topic, -1) < value
            seen[publication.topic] = value
        if settle:
            window.settle(packet)
