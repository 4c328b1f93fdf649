"""The time of the sites, all of them in Viet Nam, and how people there write it. Pure.

The offset is fixed: the country has one time zone, and its clocks have not been changed since 1975.
So no time zone data is needed, which a container or a small image may lack.
"""

from __future__ import annotations

import datetime as dt

OFFSET_S = 7 * 3600.0
"""By how much it is ahead of UTC."""

VIETNAM = dt.timezone(dt.timedelta(seconds=OFFSET_S), "ICT")
"""Asia/Ho_Chi_Minh."""


def local_time(time_ms: int) -> dt.datetime:
    """Return *time_ms*, in ms since 1970, to the whole second. Raises ValueError: beyond 9999."""
    return dt.datetime.fromtimestamp(time_ms // 1000, VIETNAM)


def day_text(time_ms: int) -> str:
    """Return the day of *time_ms* as ``28/11/2026``. Raises as `local_time`."""
    return f"{local_time(time_ms):%d/%m/%Y}"


def time_text(time_ms: int) -> str:
    """Return *time_ms* as ``28/11/2026 21:50:00``. Raises as `local_time`."""
    return f"{local_time(time_ms):%d/%m/%Y %H:%M:%S}"
