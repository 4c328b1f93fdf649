"""What is wrong with a camera's clock, by how far it is ahead of ours. Pure.

Recorders come from the factory in China's time zone, an hour ahead of Viet Nam's, and in a closed
network nothing sets their clocks: the time in the picture and in the recordings is then wrong.
"""

from __future__ import annotations

from gateway.model.local_time import OFFSET_S
from gateway.model.reasons import Reason

TOLERANCE_S = 60.0
"""A clock that is less wrong than this is as good as one can expect without NTP for a month."""

MARGIN_S = 10.0
"""By so much less wrong it must be to count as right again."""

WIDEST_ZONE_H = 14
"""No two time zones that are of use here are further apart."""


def clock_fault(off_s: float, *, known: bool = False) -> Reason | None:
    """Return what is wrong with a clock that is *off_s* ahead of UTC; None: nothing.

    Many cameras tell their local time as if it were UTC: one that is ahead by exactly the offset of
    local time shows the right time.

    Args:
        off_s: Negative if it is behind.
        known: Whether it is known to be wrong already.
    """
    tolerance_s = TOLERANCE_S - MARGIN_S * known
    if min(abs(off_s), abs(off_s - OFFSET_S)) <= tolerance_s:
        return None
    hours = round(off_s / 3600)
    if 0 < abs(hours) <= WIDEST_ZONE_H and abs(off_s - hours * 3600) <= TOLERANCE_S:
        return Reason.CAMERA_TIME_ZONE
    return Reason.CAMERA_CLOCK_OFF
