"""What the gateway says of itself is what root reads."""

from __future__ import annotations

from pathlib import Path

from gateway.model.health import CameraSnapshot
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.remote_config.health_gate import working_cameras
from gateway.updates.health import HealthFile
from gateway.updates.state import UpdateFolders, boot_s, read_health
from tests.fixtures.clock import FakeClock


def camera(name: str, *, enabled: bool = True) -> CameraSnapshot:
    return CameraSnapshot(
        id=name,
        name=name,
        location="",
        profiles=("main",),
        enabled=enabled,
        reason=Reason.OK,
        detail="",
        since_s=0.0,
        attempts=0,
        again_at_s=None,
        counters=SourceCounters(),
        viewers=0,
        codec=None,
        width=None,
        height=None,
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Version, connection, and which cameras work; by the boot clock, so that it grows old."""
    begun_s = boot_s()
    cameras = [camera("c1"), camera("c2", enabled=False)]
    file = HealthFile(
        tmp_path,
        version="0.2.0",
        connected=lambda: True,
        snapshots=lambda: cameras,
        working=working_cameras,
        clock=FakeClock(),
    )

    file.write()

    said = read_health(UpdateFolders(run=tmp_path))
    assert (said.version, said.connected) == ("0.2.0", True)
    assert (said.enabled, said.paused) == (("c1",), ("c2",))
    assert set(said.working) == working_cameras(cameras)
    assert said.up_s - begun_s >= 0
