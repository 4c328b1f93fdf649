"""A whole gateway that transcodes: what viewers get while the worker is killed, hangs, starves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.transcode_campaign import h265_site, run_campaign
from tests.fixtures.broker import Broker
from tests.fixtures.site import OWN, tree

pytestmark = pytest.mark.live


async def test_no_viewer_is_lost_and_no_process_is_left(tmp_path: Path, broker: Broker) -> None:
    """Killed, hung and starved, under two viewers; `scripts/crash-test --transcoding` does more."""
    async with h265_site(tmp_path, broker) as running:
        campaign = await run_campaign(running, rounds=3, seed=1)

    assert campaign.wrong == []
    assert campaign.acts == {"kill": 1, "hang": 1, "starve": 1}


async def test_health_tells_of_the_transcode(tmp_path: Path, broker: Broker) -> None:
    """That there is one, of which camera, and what it takes."""
    async with h265_site(tmp_path, broker) as running:
        await running.watch(0)
        state = await running.until(
            lambda message: (
                message.topic == OWN.camera_state("c00") and tree(message).get("tc") == 1
            )
        )

    assert tree(state)["tc_div"] >= 1
    assert tree(state)["codec"] == "h265"
