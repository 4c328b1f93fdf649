"""What a camera's clock shows, by its sender reports or the dates of its answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.media import ClockReading
from gateway.rtp.rtcp import NTP_EPOCH_S, sender_report, unix_of_ntp
from gateway.rtsp.headers import parse_date
from gateway.rtsp.receiver_stats import ReceiverStats

NOW_UNIX_S = 1_795_875_476


def report(unix_s: int) -> bytes:
    return sender_report(7, (unix_s + NTP_EPOCH_S) << 32, 0, 1, 1, "camera")


def test_a_sender_report_tells_the_time() -> None:
    """And when it said so; the newest counts."""
    stats = ReceiverStats()
    stats.on_rtcp([report(NOW_UNIX_S - 5)], 10.0)
    stats.on_rtcp([report(NOW_UNIX_S)], 15.0)

    assert stats.clock_reading == ClockReading(NOW_UNIX_S, 15.0)


@pytest.mark.parametrize("ntp_s", [0, 1, 86_400, 400 * 86_400, NOW_UNIX_S, NTP_EPOCH_S + 86_400])
def test_a_camera_without_a_clock_tells_none(ntp_s: int) -> None:
    """0, the time since its start, seconds since 1970 as they are, or 1970: an empty battery."""
    stats = ReceiverStats()
    stats.on_rtcp([sender_report(7, ntp_s << 32, 0, 1, 1, "camera")], 1.0)

    assert stats.clock_reading is None


def test_a_clock_that_begins_with_the_year_2000_is_wrong_and_not_absent() -> None:
    """That is what a recorder shows whose battery is empty: somebody has to set it."""
    year_2000_s = 946_684_800

    assert unix_of_ntp((year_2000_s + NTP_EPOCH_S) << 32) == year_2000_s


@pytest.mark.parametrize(
    "date",
    [
        "Sat, 28 Nov 2026 14:17:56 GMT",
        "Sat, Nov 28 2026 14:17:56 GMT",
        "Sat, 28 Nov 2026 21:17:56 +0700",
        "28 Nov 2026 14:17:56",
    ],
)
def test_the_date_of_an_answer_tells_it_where_no_report_does(date: str) -> None:
    """RFC 2326 §12.18, live555's own order, and without a zone."""
    stats = ReceiverStats()
    stats.on_date(date, 3.0)

    assert stats.clock_reading == ClockReading(NOW_UNIX_S, 3.0)

    stats.on_rtcp([report(NOW_UNIX_S + 100)], 4.0)

    assert stats.clock_reading == ClockReading(NOW_UNIX_S + 100, 4.0)


@pytest.mark.parametrize(
    "date", ["", "tomorrow", "Thu, 01 Jan 1970 00:00:10 GMT", "Sat, 28 Nov 99999999 14:17:56 GMT"]
)
def test_a_date_that_is_none_tells_nothing(date: str) -> None:
    """Nor does one of a camera that has lost its time."""
    assert parse_date(date) is None


@given(st.text(max_size=100) | st.from_regex(r"[A-Z][a-z]{2}, [0-9-]+ Nov [0-9]+ [0-9:]+ .*"))
def test_no_date_makes_it_raise(date: str) -> None:
    """A camera may write what it likes."""
    unix_s = parse_date(date)

    assert unix_s is None or 0 < unix_s < 2**33
