"""Whether a site is as well as before: cameras have their time, the connection has its own."""

from __future__ import annotations

from collections.abc import Callable

from gateway.model.health import CameraSnapshot
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.remote_config.health_gate import wait_until_healthy
from tests.fixtures.clock import FakeClock


def camera(reason: Reason) -> CameraSnapshot:
    """Camera c01 as it is now."""
    return CameraSnapshot(
        id="c01",
        name="Quầy 1",
        location="",
        profiles=("main",),
        enabled=True,
        reason=reason,
        detail="",
        since_s=0.0,
        attempts=0,
        again_at_s=None,
        counters=SourceCounters(),
        viewers=0,
        codec=None,
        width=None,
        height=None,
        last_unit_s=None,
        last_keyframe_s=None,
        gop_s=None,
    )


async def waited(
    connected: Callable[[float], bool],
    up: Callable[[float], bool] = lambda _: True,
    *,
    gate_s: float = 60.0,
    connect_s: float = 20.0,
) -> tuple[str, float]:
    """Wait with what is so after so many seconds; return what is wrong, and when that was said."""
    clock = FakeClock()
    begun_s = clock.now()
    wrong = await wait_until_healthy(
        frozenset({"c01"}),
        snapshots=lambda: (camera(Reason.OK if up(clock.now() - begun_s) else Reason.UNREACHABLE),),
        connected=lambda: connected(clock.now() - begun_s),
        percent=80,
        gate_s=gate_s,
        connect_s=connect_s,
        clock=clock,
    )
    return wrong, clock.now() - begun_s


async def test_who_is_as_well_as_before_does_not_wait() -> None:
    """Connected, and every camera is back."""
    assert await waited(lambda _: True) == ("", 0.0)


async def test_patience_with_cameras_is_none_with_the_connection() -> None:
    """However long cameras may take, a dead broker is left after its own time."""
    assert await waited(lambda _: False, gate_s=600) == ("not connected for 20 s", 20.0)


async def test_cameras_may_take_longer_than_a_connection() -> None:
    """They have the time that the settings give them."""
    assert await waited(lambda _: True, lambda at_s: at_s >= 50) == ("", 50.0)


async def test_a_connection_that_is_back_soon_is_forgiven() -> None:
    """Only a stretch without it counts."""
    assert await waited(lambda at_s: int(at_s) % 10 >= 8, lambda at_s: at_s >= 50) == ("", 58.0)


async def test_cameras_that_stay_away_are_named() -> None:
    """At the end of their time."""
    wrong, at_s = await waited(lambda _: True, lambda _: False)

    assert (wrong, at_s) == ("0 of 1 cameras work again, not c01", 60.0)
