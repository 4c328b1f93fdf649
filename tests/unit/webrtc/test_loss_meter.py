"""Loss over windows, out of the cumulative fields of receiver reports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.rtcp import ReceiverReport
from gateway.webrtc.loss_meter import LEAST_PACKETS, LONGEST_S, WINDOW_S, LossMeter, LossWindow

MEDIA, RTX = 10, 20
PACKET_BYTES = 1250.0


def report(highest: int, lost: int, *, ssrc: int = MEDIA, fraction: int = 255) -> ReceiverReport:
    return ReceiverReport(1, ssrc, fraction, lost, highest, 0, 0, 0)


def meter() -> LossMeter:
    made = LossMeter(MEDIA, RTX, first_seq=101)
    made.begin(0.0)
    return made


def take(made: LossMeter, each: ReceiverReport, now_s: float) -> LossWindow | None:
    return made.on_report(each, packet_bytes=PACKET_BYTES, now_s=now_s)


def test_a_report_with_each_nack_does_not_end_a_window() -> None:
    """Browsers send one with every NACK, whose fraction of a few ms says that all was lost."""
    made = meter()

    early = [take(made, report(100 + 10 * n, n), n / 100) for n in range(1, 50)]

    assert early == [None] * 49
    assert take(made, report(600, 25), WINDOW_S) == LossWindow(
        WINDOW_S, 500, 25, 475 * PACKET_BYTES * 8 / WINDOW_S
    )


def test_the_block_of_the_repeats_is_not_taken_for_the_media() -> None:
    """It came last in each report and overwrote the loss; it only adds to what has arrived."""
    made = meter()
    take(made, report(7_000, 0, ssrc=RTX, fraction=0), 0.1)
    take(made, report(7_020, 5, ssrc=RTX, fraction=0), 0.4)

    window = take(made, report(200, 30), 0.5)

    assert window is not None
    assert (window.expected, window.lost) == (100, 30)
    assert window.received_bps == (70 + 15) * PACKET_BYTES * 8 / 0.5


def test_a_report_of_another_stream_says_nothing() -> None:
    """Whatever a viewer names."""
    assert take(meter(), report(10_000, 5_000, ssrc=99), 1.0) is None


def test_few_packets_wait_for_more_but_not_for_ever() -> None:
    """Of ten packets nobody can say what share is lost."""
    made = meter()

    assert take(made, report(100 + LEAST_PACKETS - 1, 9), LONGEST_S - 0.1) is None
    window = take(made, report(100 + LEAST_PACKETS - 1, 9), LONGEST_S)

    assert window is not None
    assert window.loss == 9 / (LEAST_PACKETS - 1)


def test_each_window_counts_what_is_new() -> None:
    """The fields are cumulative."""
    made = meter()
    take(made, report(200, 30), 0.5)

    window = take(made, report(400, 32), 1.5)

    assert window is not None
    assert (window.seconds, window.expected, window.lost) == (1.0, 200, 2)


@pytest.mark.parametrize("highest", [0xFFFF_FFFF, 0, 100, 101 + (1 << 20)])
def test_a_number_that_cannot_be_is_left_out(highest: int) -> None:
    """Backwards, or further ahead than anybody has been sent."""
    made = meter()

    take(made, report(highest, 50), 0.4)

    assert take(made, report(200, 10), 0.5) == LossWindow(0.5, 100, 10, 90 * PACKET_BYTES * 16)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([MEDIA, RTX, 5]),
            st.integers(0, 2**32 - 1),
            st.integers(-(2**23), 2**23 - 1),
            st.floats(0, 3),
        ),
        max_size=40,
    )
)
def test_whatever_is_reported_a_window_is_possible(
    reports: list[tuple[int, int, int, float]],
) -> None:
    """No more lost than expected, nothing negative, nothing raised."""
    made, now_s = meter(), 0.0
    for ssrc, highest, lost, passed_s in reports:
        now_s += passed_s
        window = take(made, report(highest, lost, ssrc=ssrc), now_s)
        if window is not None:
            assert window.seconds >= WINDOW_S
            assert 0 <= window.lost <= window.expected
            assert window.received_bps >= 0
