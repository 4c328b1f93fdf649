"""Hostile cameras, hostile viewers and strangers at once, against the whole gateway.

How long things take then is measured by `scripts/bench attack --all`; here only what happens.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.all_attackers import attacked

pytestmark = pytest.mark.live


async def test_all_attackers_at_once_end_nothing(tmp_path: Path) -> None:
    """It runs on without a bug, little is logged, and honest viewers have their pictures."""
    found = await attacked(tmp_path, seconds=5, mbps=2)

    assert found.bugs == []
    assert found.figures["logged_mb"] < 1
    assert found.pictures > 0
    assert found.offers > 0
    assert set(found.cores) == {"honest_gap_s", "answer_s", "metrics_s"}
    assert all(found.sent[name]["bytes"] > 0 for name in ("cameras", "viewers", "strangers"))
