"""From two snapshots of a camera to its health: rates, ages and state. Pure functions.

The state says whether the camera can be watched: ``on``; ``deg``: with losses or gaps; ``off``;
``unk``: it was not tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gateway.model.health import CameraCounts, CameraHealth, CameraSnapshot, State
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason

LOSS_PERCENT = 2.0
"""Share of lost RTP packets from which on a camera is degraded: viewers see it."""

CLOCK_READ_S = 600.0
"""So old may be what a camera's clock has shown; sender reports come every few seconds."""

_WELL = {Reason.OK, Reason.IDLE}
_UNTESTED = {Reason.CONNECTING, Reason.PAUSED_BY_CONFIG}
_DEGRADED = {Reason.KEYFRAME_STARVED, Reason.CLOCK_JUMP, Reason.B_FRAMES, Reason.OVERLOADED}


def health_of(
    camera: CameraSnapshot,
    now_s: float,
    before: CameraSnapshot | None,
    before_s: float,
    *,
    wall_s: float | None = None,
) -> CameraHealth:
    """Return the health of *camera* at *now_s*.

    Args:
        camera: As it is now.
        now_s: Monotonic.
        before: The same camera earlier, for the rates; None: rates are 0.
        before_s: When that was; monotonic.
        wall_s: The wall clock at *now_s*, seconds since 1970; None: clocks are not compared.
    """
    counters = camera.counters
    earlier = counters if before is None else before.counters
    if earlier.packets > counters.packets:  # made anew since
        earlier = SourceCounters()
    elapsed_s = max(now_s - before_s, 0.001)
    lost = max(0, counters.lost - earlier.lost)
    received = counters.packets - earlier.packets
    return CameraHealth(
        id=camera.id,
        state=_state(camera, lost, received),
        reason=camera.reason if camera.enabled else Reason.PAUSED_BY_CONFIG,
        since_s=max(0.0, now_s - camera.since_s),
        detail=camera.detail,
        attempts=camera.attempts,
        again_in_s=None if camera.again_at_s is None else max(0.0, camera.again_at_s - now_s),
        fps=(counters.units - earlier.units) / elapsed_s,
        kbps=(counters.received_bytes - earlier.received_bytes) * 8 / 1000 / elapsed_s,
        lost=lost,
        reconnects=max(0, counters.sessions - 1),
        age_ms=None if camera.last_unit_s is None else round((now_s - camera.last_unit_s) * 1000),
        codec=camera.codec,
        width=camera.width,
        height=camera.height,
        viewers=camera.viewers,
        gop_s=camera.gop_s,
        transcodes=camera.transcodes,
        transcode_divisor=camera.transcode_divisor,
        transcode_dropped=camera.transcode_dropped,
        transcode_deaths=camera.transcode_deaths,
        advice=camera.advice,
        clock_off_s=_clock_off_s(camera, now_s, wall_s),
        keyframe_requests=counters.keyframe_requests,
        keyframe_failures=counters.keyframe_failures,
    )


def _clock_off_s(camera: CameraSnapshot, now_s: float, wall_s: float | None) -> float | None:
    clock = camera.clock
    if clock is None or wall_s is None or now_s - clock.at_s > CLOCK_READ_S:
        return None
    return clock.unix_s + (now_s - clock.at_s) - wall_s


def counts_of(cameras: Iterable[CameraHealth]) -> CameraCounts:
    """Count *cameras* by state."""
    states = Counter(camera.state for camera in cameras)
    return CameraCounts(
        total=states.total(),
        on=states["on"],
        degraded=states["deg"],
        off=states["off"],
        unknown=states["unk"],
    )


def visible_change(now: CameraHealth, before: CameraHealth) -> bool:
    """Whether *now* differs from *before* in more than rates and ages."""
    return _visible(now) != _visible(before)


def _visible(camera: CameraHealth) -> tuple[object, ...]:
    return (
        camera.state,
        camera.reason,
        camera.detail,
        camera.attempts,
        camera.codec,
        camera.width,
        camera.height,
        camera.viewers,
        camera.transcodes,
        camera.transcode_divisor,
        camera.transcode_deaths,
        camera.advice,
    )


def _state(camera: CameraSnapshot, lost: int, received: int) -> State:
    if not camera.enabled:
        return "unk"
    if camera.reason in _UNTESTED:
        return "off" if camera.attempts else "unk"  # tried again after failures: still off
    if camera.reason in _DEGRADED:
        return "deg"
    if camera.reason not in _WELL:
        return "off"
    degraded = lost * 100 > LOSS_PERCENT * (received + lost)
    return "deg" if degraded else "on"
