"""Tells root how the gateway is, so that a release that is tried can be judged from outside.

One small file in the run-time folder, which is in memory and gone when the gateway ends. The first
is written once the gateway runs. What is in it is a contract between releases: the one that judges
is the one before (`gateway.updates.state.Health`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from gateway.model.health import CameraSnapshot
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.strict_json import dumps
from gateway.updates.state import HEALTH, boot_s

EVERY_S = 5.0


def runtime_folder() -> Path | None:
    """Return the run-time folder that systemd has made for this service; None: none."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else None


class HealthFile:
    """Writes the file now and then.

    Args:
        folder: The run-time folder; None: nothing is written.
        version: Of this release, in full.
        connected: Returns whether the centre is reached.
        snapshots: Returns the state of all cameras.
        working: Returns the ids of those of them that work.
        clock: Monotonic.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        version: str,
        connected: Callable[[], bool],
        snapshots: Callable[[], Iterable[CameraSnapshot]],
        working: Callable[[Iterable[CameraSnapshot]], frozenset[str]],
        clock: Clock,
    ) -> None:
        self._path = None if folder is None else folder / HEALTH
        self._version = version
        self._connected = connected
        self._snapshots = snapshots
        self._working = working
        self._clock = clock
        self._unwritten = RateLimitedLog("updates", "health not written", clock=clock)

    async def run(self) -> None:
        """Write it every `EVERY_S` until cancelled."""
        while True:
            try:
                self.write()
            except Exception as error:  # ends this one only: without it a release is undone
                report_bug("report", error, "health file")
            await self._clock.sleep(EVERY_S)

    def write(self) -> None:
        """Write how the gateway is now; the folder is in memory, so nothing is waited for."""
        if self._path is None:
            return
        cameras = tuple(self._snapshots())
        tree = {
            "version": self._version,
            "up_s": boot_s(),
            "connected": self._connected(),
            "working": sorted(self._working(cameras)),
            "enabled": sorted(camera.id for camera in cameras if camera.enabled),
            "paused": sorted(camera.id for camera in cameras if not camera.enabled),
        }
        new = self._path.with_suffix(".new")
        try:
            new.write_text(dumps(tree), encoding="utf-8")
            new.replace(self._path)
        except OSError as error:
            self._unwritten.count(error.strerror or "")
