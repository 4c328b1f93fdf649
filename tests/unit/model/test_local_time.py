"""Times are written as people in Viet Nam do, whatever the machine's time zone is."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from gateway.model.local_time import VIETNAM, day_text, time_text

LAST_MS = round(dt.datetime(2026, 11, 28, 16, 59, 59, 999_000, dt.UTC).timestamp() * 1000)
"""The last millisecond of a day in Viet Nam."""


def test_a_time_has_the_day_first_and_the_second_that_has_begun() -> None:
    """Not the nearest second: that would be tomorrow's."""
    assert time_text(LAST_MS) == "28/11/2026 23:59:59"


def test_the_day_is_that_of_viet_nam() -> None:
    """Where it begins seven hours before that of UTC."""
    assert (day_text(LAST_MS), day_text(LAST_MS + 1)) == ("28/11/2026", "29/11/2026")


@pytest.mark.parametrize("year", [1976, 2000, 2026, 2037])
@pytest.mark.parametrize("month", [1, 7])
def test_the_offset_is_that_of_the_time_zone_data(year: int, month: int) -> None:
    """Winter and summer; it stands in the code because some machines lack that data."""
    known = dt.datetime(year, month, 1, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))

    assert known.utcoffset() == VIETNAM.utcoffset(None)
