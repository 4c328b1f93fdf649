"""What the doctor says of the box and of cameras, by what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.doctor_site import board_findings, camera_findings, cameras
from gateway.health.raspberry_pi import UNDERVOLTAGE
from gateway.model.health import CameraHealth, HostSample
from gateway.model.reasons import Reason


def test_a_recorder_one_hour_ahead_is_told_its_factory_zone() -> None:
    """In the words that whoever stands before its menu looks for."""
    health = CameraHealth("quay3", "on", Reason.OK, 5.0, clock_off_s=3601.0)

    _, finding = camera_findings(health, "Quầy 3")

    assert 'quay3 "Quầy 3": giờ nhanh 3601 giây, múi giờ +8 (mặc định nhà máy)' in finding.vi
    assert "GMT+07:00" in finding.vi_todo


def test_so_is_one_that_tells_its_local_time_as_if_it_were_utc() -> None:
    """Eight hours ahead of UTC is one hour ahead of the wall."""
    health = CameraHealth("quay3", "on", Reason.OK, 5.0, clock_off_s=8 * 3600 + 2.0)

    _, finding = camera_findings(health)

    assert "nhanh 3602 giây, múi giờ +8 (mặc định nhà máy)" in finding.vi


def test_each_camera_has_a_line() -> None:
    """One that works, and one that does not, with what to do."""
    well = CameraHealth("quay3", "on", Reason.OK, 5.0)
    lost = CameraHealth("quay4", "off", Reason.UNREACHABLE, 5.0, detail="no route")

    (good,), (bad,) = camera_findings(well), camera_findings(lost)

    assert (good.status, bad.status) == ("ok", "warn")
    assert bad.vi_todo


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


def test_cameras_are_not_measured_where_no_gateway_runs(tmp_path: Path) -> None:
    """It says so, instead of logging in at each of them."""
    (finding,) = cameras(tmp_path, tmp_path)

    assert finding.status == "warn"
    assert "not measured" in finding.en
