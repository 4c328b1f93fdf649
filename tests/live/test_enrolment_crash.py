"""kill -9 at some steps of an enrolment; `scripts/crash-test --enrolment` takes them all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.crash.enrol_campaign import KINDS, run_at_centre
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live


async def test_whenever_it_is_killed_the_same_command_enrols(tmp_path: Path) -> None:
    """A new box and one that was enrolled before: never with the half of an identity unsaid."""
    async with asyncio.timeout(HANG_S):
        campaign = await run_at_centre(tmp_path, every=40)

    assert campaign.kills.keys() == set(KINDS)
    assert campaign.wrong == []
