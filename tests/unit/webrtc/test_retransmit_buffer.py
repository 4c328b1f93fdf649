"""Finding what was sent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webrtc.retransmit_buffer import (
    HOLDOFF_S,
    REPEATS,
    REQUESTED,
    RETRANSMIT_WINDOW_S,
    RETRANSMITTED,
    RetransmitBuffer,
    RetransmitRequests,
    SentPacket,
    SentUnit,
)
from tests.fixtures.access_units import access_unit


def sent(first_seq: int, packets: int, sent_s: float = 0.0) -> SentUnit:
    """Return a unit whose RTP time and payloads say which packets they are."""
    return SentUnit(first_seq, first_seq, access_unit(0, sizes=(50,) * packets), sent_s)


@given(
    start=st.integers(0, 1 << 40),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=20),
    data=st.data(),
)
def test_every_packet_is_found_by_its_16_bits(
    start: int, sizes: list[int], data: st.DataObject
) -> None:
    """However often the numbers have wrapped."""
    history = RetransmitBuffer()
    first = start
    for size in sizes:
        history.record(sent(first, size))
        first += size
    wanted = data.draw(st.integers(start, first - 1))

    found = history.find(wanted & 0xFFFF, 1.0)

    assert found is not None
    assert found.rtp_time + found.payload[2] == wanted


def test_what_was_never_sent_is_not_found() -> None:
    """Neither the packet before the first nor the one after the last."""
    history = RetransmitBuffer()
    history.record(sent(100, 5))

    assert history.find(99, 1.0) is None
    assert history.find(105, 1.0) is None


def test_what_is_too_old_is_forgotten() -> None:
    """The memory is bounded by time."""
    history = RetransmitBuffer()
    history.record(sent(0, 1, sent_s=0.0))
    history.record(sent(1, 1, sent_s=RETRANSMIT_WINDOW_S + 0.1))

    assert history.find(0, RETRANSMIT_WINDOW_S + 0.1) is None
    assert history.find(1, RETRANSMIT_WINDOW_S + 0.1) is not None


def test_a_packet_asked_for_twice_at_once_is_sent_once() -> None:
    """The second NACK crosses the first repetition on the way."""
    history = RetransmitBuffer()
    history.record(sent(0, 1))

    assert history.find(0, 1.0) is not None
    assert history.find(0, 1.01) is None
    assert history.find(0, 1.03) is not None


def test_a_packet_is_sent_again_a_few_times_at_most() -> None:
    """Asked for 21 times within 2 s it was sent 21 times."""
    history = RetransmitBuffer()
    history.record(sent(0, 2))

    times = [number / 10 for number in range(21) if history.find(0, number / 10) is not None]

    assert len(times) == REPEATS
    assert history.find(1, 2.0) is not None


def test_each_repetition_has_twice_as_long_to_arrive() -> None:
    """Whoever asks every 10 ms over a slow line does not use up all of them within 100 ms."""
    history = RetransmitBuffer()
    history.record(sent(0, 1))

    answered = [at for at in range(100) if history.find(0, at * HOLDOFF_S * 0.501) is not None]

    assert answered == [0, 2, 6, 14, 30]


@given(st.lists(st.integers(0, 0xFFFF), max_size=200))
def test_requests_wait_once_each_in_their_order(numbers: list[int]) -> None:
    """Whatever is asked for, and however often."""
    requests = RetransmitRequests()

    requests.add(numbers)
    taken = [requests.pop() for _ in range(len(requests))]

    assert taken == list(dict.fromkeys(numbers))


def test_no_more_requests_wait_than_there_is_room_for() -> None:
    """The rest is read no further and counted."""
    requests = RetransmitRequests()
    numbers = iter(range(REQUESTED + 10))

    requests.add(numbers)

    assert len(requests) == REQUESTED
    assert requests.refused == 1
    assert len(list(numbers)) == 9


def test_nothing_is_found_in_an_empty_history() -> None:
    """A NACK before the first packet."""
    assert RetransmitBuffer().find(0, 0.0) is None


class CountedUnit:
    """A sent unit that counts how often it is looked at."""

    def __init__(self, first_seq: int, packets: int) -> None:
        self._first_seq = first_seq
        self.packets = packets
        self.sent_s = 0.0
        self.looked_at = 0

    @property
    def first_seq(self) -> int:
        """As that of `SentUnit`."""
        self.looked_at += 1
        return self._first_seq

    def packet(self, index: int) -> SentPacket:
        """As that of `SentUnit`."""
        return sent(self._first_seq, self.packets).packet(index)


def cost_of(seq: int, units: int) -> int:
    """Return how many units are looked at for *seq* in a buffer of *units*, ten packets each."""
    history = RetransmitBuffer()
    held = [CountedUnit(100_000 + 10 * number, 10) for number in range(units)]
    for each in held:
        history.record(each)  # type: ignore[arg-type]  # stands in for a unit
    for each in held:
        each.looked_at = 0
    history.find(seq & 0xFFFF, 1.0)
    return sum(each.looked_at for each in held)


@pytest.mark.parametrize("seq", [100_000 - 1, 100_000 - 30_000, 100_000 + 30_000])
def test_an_unknown_packet_costs_the_same_in_any_buffer(seq: int) -> None:
    """A range check; it looked at every unit held: 0.53 Mb/s of NACKs filled a core."""
    assert cost_of(seq, 400) == cost_of(seq, 2)
    assert cost_of(seq, 400) <= 3


def test_a_known_packet_costs_the_logarithm_of_the_buffer() -> None:
    """The oldest packet of four hundred units is found by bisection."""
    assert cost_of(100_000, 400) <= 3 + math.ceil(math.log2(400)) + 1


def test_what_was_sent_again_lately_is_remembered_within_bounds() -> None:
    """However many packets are sent again at one instant, remembering them stays cheap."""
    history = RetransmitBuffer()
    for first in range(0, 6_000, 200):
        history.record(sent(first, 200))

    for seq in range(6_000):
        assert history.find(seq, 1.0) is not None

    assert len(history._repeated) <= RETRANSMITTED
