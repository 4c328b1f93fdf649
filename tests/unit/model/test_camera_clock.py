"""What is made of a camera's clock by how far it is ahead of ours."""

from __future__ import annotations

import pytest

from gateway.model.camera_clock import clock_fault
from gateway.model.reasons import Reason

ZONE, OFF = Reason.CAMERA_TIME_ZONE, Reason.CAMERA_CLOCK_OFF
HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("off_s", "fault"),
    [
        (0.0, None),
        (59.0, None),
        (-59.0, None),
        (61.0, OFF),
        (HOUR_S, ZONE),
        (HOUR_S - 59, ZONE),
        (HOUR_S + 61, OFF),
        (-HOUR_S, ZONE),
        (7 * HOUR_S, None),
        (7 * HOUR_S - 59, None),
        (8 * HOUR_S, ZONE),
        (-8 * HOUR_S, ZONE),
        (14 * HOUR_S, ZONE),
        (15 * HOUR_S, OFF),
        (0.5 * HOUR_S, OFF),
        (-26 * 365.25 * 24 * HOUR_S, OFF),
    ],
)
def test_whole_hours_are_a_zone_and_seven_are_local_time(
    off_s: float, fault: Reason | None
) -> None:
    """Which the operator has to mend in different menus; the year 2000 is a lost battery."""
    assert clock_fault(off_s) is fault


def test_a_clock_at_the_limit_is_not_told_and_untold_in_turn() -> None:
    """Once it is known to be wrong it must be right by more."""
    assert clock_fault(55.0) is None
    assert clock_fault(55.0, known=True) is OFF
    assert clock_fault(49.0, known=True) is None
