"""What the doctor says of who sets the clock."""

from __future__ import annotations

import pytest

from gateway.app.doctor_clock import ntp
from gateway.health.time_sync import TimeSync


@pytest.mark.parametrize(
    ("sync", "synced", "status", "said"),
    [
        (TimeSync("chrony", "10.24.0.5", 1.04, 2), True, "ok", "theo máy chủ 10.24.0.5, lệch +1.0"),
        (TimeSync("chrony", "10.24.0.5", -5_000.0, 2), True, "warn", "lệch -5000.0 ms"),
        (TimeSync("systemd-timesyncd"), False, "warn", "chưa máy chủ NTP nào trả lời"),
        (None, False, "warn", "Không thấy chrony hay systemd-timesyncd"),
        (None, True, "ok", "giờ do chương trình khác đặt"),
    ],
)
def test_it_names_program_server_and_offset(
    sync: TimeSync | None, synced: bool, status: str, said: str
) -> None:
    """And what is missing of them."""
    finding = ntp(sync, synced=synced)

    assert finding.status == status
    assert said in finding.vi
    assert bool(finding.vi_todo) == (status == "warn")
