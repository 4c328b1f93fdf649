"""Waits until a site is as healthy after a change as before: connected, its cameras back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.model.health import CameraSnapshot
from gateway.model.reasons import Reason
from gateway.ports import Clock

POLL_S = 0.25

_UP = (Reason.OK, Reason.IDLE)


def working_cameras(snapshots: Iterable[CameraSnapshot]) -> frozenset[str]:
    """Return the ids of the cameras that send, or would on demand."""
    return frozenset(camera.id for camera in snapshots if camera.reason in _UP)


async def wait_until_healthy(
    before: frozenset[str],
    *,
    snapshots: Callable[[], Iterable[CameraSnapshot]],
    connected: Callable[[], bool],
    percent: int,
    gate_s: float,
    connect_s: float,
    clock: Clock,
) -> str:
    """Wait until all cameras of *before* work again; return what is wrong then, "" if nothing.

    Args:
        before: Ids of the cameras that worked; those removed or disabled do not count.
        snapshots: Returns the state of all cameras.
        connected: Returns whether the centre can be reached.
        percent: Of those that worked, so many must work after *gate_s*.
        gate_s: Seconds that the cameras may take.
        connect_s: Seconds that the centre may be out of reach at a stretch.
        clock: Monotonic.
    """
    reached_s = begun_s = clock.now()
    while True:
        now = tuple(snapshots())
        wanted = before & {camera.id for camera in now if camera.enabled}
        up = wanted & working_cameras(now)
        now_s = clock.now()
        if connected():
            reached_s = now_s
            if up == wanted:
                return ""
            if now_s - begun_s >= gate_s:
                break
        elif now_s - reached_s >= connect_s:
            return f"not connected for {now_s - reached_s:.0f} s"
        await clock.sleep(POLL_S)
    if 100 * len(up) >= percent * len(wanted):
        return ""
    lost = ", ".join(sorted(wanted - up)[:16])
    return f"{len(up)} of {len(wanted)} cameras work again, not {lost}"
