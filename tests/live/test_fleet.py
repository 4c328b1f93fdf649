"""The fleet simulator itself, small: every phase runs and nothing is lost."""

from __future__ import annotations

import pytest

from tests.fleet.__main__ import WRONG
from tests.fleet.country import Country, run
from tests.fleet.scene import Pace

pytestmark = pytest.mark.live


async def test_a_small_country_lives_through_every_phase() -> None:
    """Each is gone through by mutual TLS, under the shipped access list."""
    country = Country(
        gateways=5,
        cameras=4,
        configs=2,
        generators=1,
        seconds=2.0,
        restart_s=0.5,
        calm_s=1.0,
        pace=Pace(health_s=1.0, events_per_hour=3600, changes_per_hour=3600, spread_s=1.0),
    )
    result = await run(country, lambda _: None)

    verdict = result["verdict"]
    assert verdict["events_heard"] > 0  # the youngest may still have been on their way
    assert {wrong: verdict[wrong] for wrong in WRONG if verdict[wrong]} == {}
    assert verdict["asked"] == verdict["answered"] > 0
    phases = [phase["phase"] for phase in result["phases"]]
    assert phases == [
        "connect",
        "steady",
        "configuration",
        "rebirth",
        "inventory",
        "broker restarted",
    ]
    assert result["phases"][4]["gateways_asked"] == 2
