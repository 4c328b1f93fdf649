"""What we conclude about cameras and the site from two looks at them. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gateway.model.health import CameraCounts, CameraHealth, CameraSnapshot, State
from gateway.model.reasons import Reason

WORKING = frozenset({Reason.OK, Reason.IDLE})
DEGRADED = frozenset({Reason.KEYFRAME_STARVED, Reason.CORRUPT, Reason.CLOCK_JUMP})
UNKNOWN = frozenset({Reason.CONNECTING, Reason.PAUSED_BY_CONFIG, Reason.OVERLOADED})
"""We did not manage to look, or do not look; that is not the camera's fault."""

LOSS = 0.02
"""Share of packets lost over the interval from which a working camera counts as degraded."""


def state_of(reason: Reason, *, attempts: int = 0) -> State:
    """Return whether a camera with *reason* can be watched.

    One that is being tried again after failures stays ``off`` until it works.
    """
    if reason in WORKING:
        return "on"
    if reason in DEGRADED:
        return "deg"
    return "unk" if reason in UNKNOWN and not attempts else "off"


def camera_health(
    now: CameraSnapshot, *, at_s: float, before: CameraSnapshot | None, before_s: float
) -> CameraHealth:
    """Return the health of one camera.

    Args:
        now: The look just taken, at *at_s* (monotonic).
        at_s: When that was.
        before: The look before; None if there was none: then nothing flowed.
        before_s: When that was.
    """
    took_s = max(at_s - before_s, 1e-3)
    then = now.counters if before is None else before.counters
    packets = now.counters.packets - then.packets
    lost = now.counters.lost - then.lost
    state = state_of(now.reason, attempts=now.attempts)
    if state == "on" and lost > LOSS * max(1, packets + lost):
        state = "deg"
    return CameraHealth(
        id=now.id,
        state=state,
        reason=now.reason,
        since_s=max(0.0, at_s - now.since_s),
        detail=now.detail,
        attempts=now.attempts,
        again_in_s=None if now.again_at_s is None else max(0.0, now.again_at_s - at_s),
        fps=max(0, now.counters.units - then.units) / took_s,
        kbps=max(0, now.counters.received_bytes - then.received_bytes) * 8 / took_s / 1000,
        lost=max(0, lost),
        reconnects=max(0, now.counters.sessions - 1),
        age_ms=None if now.last_unit_s is None else max(0, int((at_s - now.last_unit_s) * 1000)),
        codec=now.codec,
        width=now.width,
        height=now.height,
        viewers=now.viewers,
        gop_s=now.gop_s,
    )


def counts(cameras: Iterable[CameraHealth]) -> CameraCounts:
    """Return how many are in which state."""
    by_state = Counter(camera.state for camera in cameras)
    return CameraCounts(
        total=sum(by_state.values()),
        on=by_state["on"],
        degraded=by_state["deg"],
        off=by_state["off"],
        unknown=by_state["unk"],
    )
