"""How long a camera that says "no such path" is asked again soon."""

from __future__ import annotations

import pytest

from gateway.model.errors import (
    GatewayError,
    PermanentError,
    SourceRefused,
    SourceUnavailable,
    TransientError,
)
from gateway.model.reasons import Reason
from gateway.sources.absence import ABSENT_S, Absence
from tests.fixtures.clock import FakeClock

ABSENT = SourceRefused(Reason.NOT_FOUND, "404", park_s=300.0)


def outcome(absence: Absence, error: GatewayError) -> GatewayError:
    """Return what becomes of *error*."""
    with pytest.raises(GatewayError) as caught, absence.patience():
        raise error
    return caught.value


def test_a_minute_long_it_is_a_failure_that_passes() -> None:
    """Then it is left alone."""
    clock = FakeClock()
    absence = Absence(clock.now)

    outcomes = []
    for _ in range(3):
        outcomes.append(outcome(absence, ABSENT))
        clock.time_s += ABSENT_S / 2

    assert [type(each) for each in outcomes] == [SourceUnavailable] * 2 + [SourceRefused]


@pytest.mark.parametrize("between", ["there", "away"])
def test_the_minute_begins_anew(between: str) -> None:
    """Behind a time in which it was there, or was away: it starts again."""
    clock = FakeClock()
    absence = Absence(clock.now)
    outcome(absence, ABSENT)
    clock.time_s += 2 * ABSENT_S
    if between == "there":
        absence.end()
    else:
        outcome(absence, SourceUnavailable(Reason.REFUSED, "refused"))

    assert isinstance(outcome(absence, ABSENT), TransientError)


def test_other_refusals_stay_what_they_are() -> None:
    """A password does not become right by waiting."""
    refused = SourceRefused(Reason.AUTH_FAILED, "401", park_s=300.0)

    assert isinstance(outcome(Absence(FakeClock().now), refused), PermanentError)
