"""What becomes an alarm of the centre's configuration."""

from __future__ import annotations

import pytest

from gateway.app.monitoring import undone
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.config import Reported


@pytest.mark.parametrize(
    ("said", "bad"),
    [
        (Reported(version=4, state="rolled_back", why="deadline"), True),
        (Reported(version=4, state="rolled_back", why="cancel"), False),
        (Reported(version=4, state="applied"), False),
    ],
)
def test_a_configuration_that_did_not_work_is_an_alarm(said: Reported, bad: bool) -> None:
    """Until another one is tried; what somebody cancelled was undone on purpose."""
    finding = undone(said)

    assert (finding.bad, finding.cause) == (bad, Reason.ROLLED_BACK)
    assert finding.arguments == {"ver": 4}
