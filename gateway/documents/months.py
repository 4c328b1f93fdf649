"""Months as a province reports them: which are over, and when their documents are due. Pure.

Dates are Viet Nam's, whatever the machine's time zone is.
"""

from __future__ import annotations

import datetime as dt

from gateway.model.local_time import VIETNAM, local_time

LOOKED_FOR = 3
"""So many past months are looked for: what is late is still taken."""


def past_months(now_ms: int, count: int = LOOKED_FOR) -> tuple[str, ...]:
    """Return the last *count* months that are over, as ``2026-05``, the newest first."""
    today = local_time(now_ms)
    index = today.year * 12 + today.month - 1
    return tuple(_named(index - back) for back in range(1, count + 1))


def due_ms(month: str, due_day: int) -> int:
    """Return when the document of *month* must be there: as *due_day* of the next month begins."""
    year, _, number = month.partition("-")
    index = int(year) * 12 + int(number)
    day = dt.datetime(index // 12, index % 12 + 1, due_day, tzinfo=VIETNAM)
    return round(day.timestamp() * 1000)


def shown_month(month: str) -> str:
    """Return *month* as people here write it: ``05/2026``."""
    year, _, number = month.partition("-")
    return f"{number}/{year}"


def _named(index: int) -> str:
    return f"{index // 12:04}-{index % 12 + 1:02}"
