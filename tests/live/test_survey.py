"""The survey form over a real broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.centre.survey import collect_sites
from gateway.runtime.clock import now_ms
from tests.fixtures.broker import Broker
from tests.fixtures.site import OWN, cameras, site

pytestmark = pytest.mark.live


async def test_the_centre_fills_the_form_of_a_site_that_told_its_inventory(
    tmp_path: Path, broker: Broker
) -> None:
    """From what the broker retains; who the people are is not among it."""
    async with site(tmp_path, broker, cameras(2)) as running:
        await running.until(lambda message: message.topic == OWN.inventory("ioc"))
        collector = await collect_sites(broker.address, within_s=60)

    (form,) = collector.forms(now_ms())
    assert collector.rejected == {}
    assert form.contacts is None
    assert form.answer("II.I.4").said[0].items[0].count == 2
