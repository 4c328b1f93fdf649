"""Finding what was sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.webrtc.retransmit_buffer import RETRANSMIT_WINDOW_S, RetransmitBuffer, SentUnit
from tests.fixtures.access_units import access_unit


def sent(first_seq: int, packets: int, sent_s: float = 0.0) -> SentUnit:
    return SentUnit(first_seq, 0, access_unit(0, sizes=(50,) * packets), sent_s)


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
    assert found[0].first_seq + found[1] == wanted


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


def test_nothing_is_found_in_an_empty_history() -> None:
    """A NACK before the first packet."""
    assert RetransmitBuffer().find(0, 0.0) is None
