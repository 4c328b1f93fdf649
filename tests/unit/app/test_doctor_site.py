"""What the doctor says of the box and of cameras, by what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.doctor_site import board_findings, camera_findings, cameras, uplink
from gateway.health.raspberry_pi import UNDERVOLTAGE
from gateway.model.health import CameraHealth, HostSample
from gateway.model.reasons import Reason


def test_a_recorder_one_hour_ahead_is_told_its_factory_zone() -> None:
    """In the words that whoever stands before its menu looks for."""
    health = CameraHealth("quay3", "on", Reason.OK, 5.0, clock_off_s=3601.0)

    (finding,) = camera_findings(health)

    assert "nhanh 3601 giây, múi giờ +8 (mặc định nhà máy)" in finding.vi
    assert "GMT+07:00" in finding.vi_todo


@pytest.mark.parametrize(
    ("sample", "warned"),
    [
        (HostSample(temperature_c=85.0, throttled=0), {"temperature"}),
        (HostSample(temperature_c=50.0, throttled=UNDERVOLTAGE), {"power"}),
        (HostSample(), set()),
    ],
)
def test_heat_and_a_weak_supply_are_warned_of(sample: HostSample, warned: set[str]) -> None:
    """What cannot be measured is no fault."""
    found = {each.name for each in board_findings(sample) if each.status == "warn"}

    assert found == warned


def test_what_is_not_measured_of_the_line_is_said() -> None:
    """A figure that was not measured is no figure."""
    assert "41 ms; speed and loss: not measured" in uplink(41.2).en


def test_cameras_are_not_measured_where_no_gateway_runs(tmp_path: Path) -> None:
    """It says so, instead of logging in at each of them."""
    (finding,) = cameras(tmp_path)

    assert finding.status == "warn"
    assert "not measured" in finding.en
