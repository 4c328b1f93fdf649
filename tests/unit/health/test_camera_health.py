"""What is concluded from two snapshots of a camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.health.camera_health import counts_of, health_of, visible_change
from gateway.model.health import CameraCounts, CameraSnapshot
from gateway.model.media import ClockReading, SourceCounters
from gateway.model.reasons import Reason

CAMERA = CameraSnapshot("c07", "Quầy 7", True, Reason.OK, since_s=900.0, last_unit_s=999.96)
NOW_S = 1000.0

STATES = {
    Reason.OK: "on",
    Reason.IDLE: "on",
    Reason.CONNECTING: "unk",
    Reason.PAUSED_BY_CONFIG: "unk",
    Reason.KEYFRAME_STARVED: "deg",
    Reason.CLOCK_JUMP: "deg",
    Reason.B_FRAMES: "deg",
    Reason.OVERLOADED: "deg",
    Reason.TIMEOUT: "off",
    Reason.AUTH_FAILED: "off",
    Reason.STALLED: "off",
    Reason.CORRUPT: "off",
    Reason.ABUSIVE: "off",
}


@pytest.mark.parametrize(("reason", "state"), STATES.items())
def test_the_reason_decides_the_state(reason: Reason, state: str) -> None:
    """What we have not looked at is unknown, not off; an idle camera is on."""
    health = health_of(replace(CAMERA, reason=reason), NOW_S, None, NOW_S)

    assert (health.state, health.reason) == (state, reason)


def test_a_camera_that_is_tried_again_is_off_until_it_works() -> None:
    """The list does not flicker between off and unknown at each try."""
    camera = replace(CAMERA, reason=Reason.CONNECTING, attempts=3)

    assert health_of(camera, NOW_S, None, NOW_S).state == "off"


def test_a_disabled_camera_is_paused_whatever_it_did_last() -> None:
    """Nobody looks at it."""
    camera = replace(CAMERA, enabled=False, reason=Reason.TIMEOUT)

    health = health_of(camera, NOW_S, None, NOW_S)

    assert (health.state, health.reason) == ("unk", Reason.PAUSED_BY_CONFIG)


def test_rates_are_of_the_interval() -> None:
    """Units, bytes and losses since the earlier snapshot."""
    before = replace(CAMERA, counters=SourceCounters(packets=100, received_bytes=10_000, units=50))
    now = replace(
        CAMERA,
        counters=SourceCounters(
            packets=1100, received_bytes=260_000, units=300, lost=3, sessions=3
        ),
    )

    health = health_of(now, NOW_S, before, NOW_S - 10)

    assert (health.fps, health.kbps, health.lost, health.reconnects) == (25.0, 200.0, 3, 2)
    assert (health.since_s, health.age_ms, health.state) == (100.0, 40, "on")


def test_losing_a_fiftieth_degrades() -> None:
    """From there on a viewer sees it."""
    before = replace(CAMERA, counters=SourceCounters(packets=0))
    now = replace(CAMERA, counters=SourceCounters(packets=960, lost=40))

    assert health_of(now, NOW_S, before, NOW_S - 10).state == "deg"


def test_a_source_made_anew_starts_from_nothing() -> None:
    """Its counters are lower than before; no rate is negative."""
    before = replace(CAMERA, counters=SourceCounters(packets=9000, units=900, lost=7))
    now = replace(CAMERA, counters=SourceCounters(packets=100, units=10))

    health = health_of(now, NOW_S, before, NOW_S - 10)

    assert (health.fps, health.lost) == (1.0, 0)


def test_the_next_try_is_told_in_seconds_from_now() -> None:
    """Monotonic times mean nothing elsewhere."""
    camera = replace(CAMERA, reason=Reason.TIMEOUT, attempts=3, again_at_s=NOW_S + 12)

    assert health_of(camera, NOW_S, None, NOW_S).again_in_s == 12
    assert health_of(camera, NOW_S + 60, None, NOW_S).again_in_s == 0


def test_cameras_are_counted_by_state() -> None:
    """The four states add up."""
    reasons = (Reason.OK, Reason.IDLE, Reason.CLOCK_JUMP, Reason.TIMEOUT, Reason.CONNECTING)
    cameras = [health_of(replace(CAMERA, reason=each), NOW_S, None, NOW_S) for each in reasons]

    assert counts_of(cameras) == CameraCounts(5, 2, 1, 1, 1)


def test_rates_alone_are_no_visible_change() -> None:
    """They come once a minute; a new viewer comes at once."""
    calm = health_of(CAMERA, NOW_S, None, NOW_S)

    assert not visible_change(replace(calm, fps=24.0, kbps=1.0, since_s=5.0), calm)
    assert visible_change(replace(calm, viewers=1), calm)


_COUNT = st.integers(0, 2**40)


@given(_COUNT, _COUNT, _COUNT, _COUNT, st.floats(0, 1e6), st.floats(0, 1e6))
def test_nothing_is_ever_negative(
    packets: int, earlier: int, lost: int, lost_earlier: int, elapsed_s: float, since_s: float
) -> None:
    """Whatever the counters and clocks say."""
    before = replace(CAMERA, counters=SourceCounters(packets=earlier, lost=lost_earlier))
    now = replace(CAMERA, since_s=since_s, counters=SourceCounters(packets=packets, lost=lost))

    health = health_of(now, NOW_S, before, NOW_S - elapsed_s)

    assert min(health.since_s, health.lost, health.fps, health.kbps, health.reconnects) >= 0


def test_a_clock_goes_on_between_two_looks_at_it() -> None:
    """What it showed 4 s ago is compared with what ours showed then; after ten minutes with none.

    Without our own time there is nothing to compare.
    """
    camera = replace(CAMERA, clock=ClockReading(unix_s=5_000.0, at_s=NOW_S - 4))

    assert health_of(camera, NOW_S, None, NOW_S, wall_s=1_404.0).clock_off_s == 3_600.0
    assert health_of(camera, NOW_S + 597, None, NOW_S, wall_s=2_001.0).clock_off_s is None
    assert health_of(camera, NOW_S, None, NOW_S).clock_off_s is None


def test_new_advice_is_a_visible_change_and_a_clock_that_goes_is_none() -> None:
    """It is sent at once; the clock's seconds would be sent for ever."""
    health = health_of(CAMERA, NOW_S, None, NOW_S)

    assert visible_change(replace(health, advice=(Reason.PICTURE_ASPECT,)), health)
    assert not visible_change(replace(health, clock_off_s=0.1), health)
