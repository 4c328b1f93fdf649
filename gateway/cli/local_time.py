"""Times as people in Viet Nam write them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def local_time(moment_ms: int) -> str:
    """Return *moment_ms*, Unix time, as ``28/11/2026 21:50:00`` in Viet Nam."""
    return f"{dt.datetime.fromtimestamp(moment_ms / 1000, ZONE):%d/%m/%Y %H:%M:%S}"
