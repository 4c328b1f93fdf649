"""Whether the site is as well after a change as it was before: connected, and cameras back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.model.health import CameraSnapshot
from gateway.model.reasons import Reason
from gateway.ports import Clock

LOOK_S = 0.25

_UP = (Reason.OK, Reason.IDLE)


def working(snapshots: Iterable[CameraSnapshot]) -> frozenset[str]:
    """Return the cameras that send, or would if somebody asked."""
    return frozenset(camera.id for camera in snapshots if camera.reason in _UP)


async def until_well(
    before: frozenset[str],
    *,
    snapshots: Callable[[], Iterable[CameraSnapshot]],
    connected: Callable[[], bool],
    percent: int,
    within_s: float,
    clock: Clock,
) -> str:
    """Wait until all is as it was, and *within_s* at most; return what is wrong then, or "".

    Args:
        before: Cameras that worked; those no longer wanted are not missed.
        snapshots: Returns the cameras as they are now.
        connected: Returns whether the centre can be reached.
        percent: Of those that worked, so many must work at the end.
        within_s: How long that may take.
        clock: Monotonic.
    """
    end_s = clock.now() + within_s
    while True:
        now = tuple(snapshots())
        wanted = before & {camera.id for camera in now if camera.enabled}
        up = wanted & working(now)
        if up == wanted and connected():
            return ""
        if clock.now() >= end_s:
            break
        await clock.sleep(LOOK_S)
    if not connected():
        return "not connected"
    if 100 * len(up) >= percent * len(wanted):
        return ""
    lost = ", ".join(sorted(wanted - up)[:16])
    return f"{len(up)} of {len(wanted)} cameras work again, not {lost}"
