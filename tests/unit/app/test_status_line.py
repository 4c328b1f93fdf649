"""What ``systemctl status`` says of the gateway."""

from __future__ import annotations

import pytest

from gateway.app.status_line import status_line
from gateway.model.health import CameraCounts


@pytest.mark.parametrize(
    ("counts", "connected", "shown"),
    [
        (CameraCounts(4, 3, 1), True, "cameras: 4 live; connected to the centre; viewers: 2"),
        (CameraCounts(4, 1, 0, 1, 2), True, "cameras: 1 live, 1 faulty, 2 not open; connected"),
        (CameraCounts(), False, "cameras: 0 live; NOT CONNECTED to the centre"),
    ],
)
def test_the_status_says_how_many_cameras_are_live(
    counts: CameraCounts, connected: bool, shown: str
) -> None:
    """And whether the centre is reached, Vietnamese first."""
    line = status_line(counts, connected=connected, viewers=2)

    assert shown in line
    assert line.startswith("Camera: ")
