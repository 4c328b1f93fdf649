"""How long a player is asked to wait, by what its viewer reports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webrtc.loss_meter import LossWindow
from gateway.webrtc.playout_delay import (
    LONGEST_S,
    QUIET_S,
    PlayoutDelay,
    playout_delay_extension,
)


def window(lost: int, expected: int = 200, seconds: float = 0.5) -> LossWindow:
    return LossWindow(seconds, expected, lost, 4e6)


def after(*lost: int, round_trip_s: float | None = 0.02) -> PlayoutDelay:
    delay = PlayoutDelay()
    for each in lost:
        delay.on_window(window(each), round_trip_s)
    return delay


@pytest.mark.parametrize(
    ("lost", "delay_s"),
    [
        pytest.param((0,) * 20, 0.0, id="nothing lost"),
        pytest.param((10,) * 2, 0.0, id="not long enough to tell"),
        pytest.param((10,) * 3, 0.3, id="5 % in three windows"),
        pytest.param((10, 0, 9, 12), 0.3, id="three of four"),
        pytest.param((0, 200, 150, 0, 0, 0, 0), 0.0, id="a burst"),
        pytest.param((1, 1, 1, 1, 1, 1), 0.0, id="half a percent"),
    ],
)
def test_it_waits_for_what_is_lost_by_chance(lost: tuple[int, ...], delay_s: float) -> None:
    """Two more requests, 100 ms apart, a round trip, and what neither end is exact to."""
    assert after(*lost).delay_s == delay_s


def test_it_is_told_once_for_each_change() -> None:
    """Saying it costs all viewers of the stream three pictures of the fast path."""
    delay = PlayoutDelay()
    changes = [delay.on_window(window(10), 0.02) for _ in range(50)]

    assert changes.count(True) == 1


def test_a_line_that_is_quiet_for_long_waits_for_nothing() -> None:
    """Not before: one lossy window begins the time anew."""
    delay = after(*(10,) * 6)
    quiet = int(QUIET_S / 0.5)
    for _ in range(quiet - 1):
        assert not delay.on_window(window(0), 0.02)
    delay.on_window(window(5), 0.02)
    for _ in range(quiet - 1):
        assert not delay.on_window(window(0), 0.02)

    assert delay.on_window(window(0), 0.02)

    assert delay.delay_s == 0.0


@given(
    windows=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=60),
    round_trip_s=st.none() | st.floats(0, 1e4),
)
def test_whatever_is_reported_the_wait_is_bounded(
    windows: list[tuple[int, int]], round_trip_s: float | None
) -> None:
    """A viewer chooses its reports, and its round trip."""
    delay = PlayoutDelay()
    for expected, lost in windows:
        delay.on_window(window(min(lost, expected), expected), round_trip_s)

    assert 0 <= delay.delay_s <= LONGEST_S


def test_the_extension_is_that_of_the_rfc() -> None:
    """One element of three bytes: least and most delay, 12 bits each, in 10 ms; no padding."""
    assert playout_delay_extension(5, 0.3).hex() == "bede000152" + "01efff"
