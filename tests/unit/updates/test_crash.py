"""kill -9 at some steps of an update; `scripts/crash-test --updates` takes them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.update_campaign import run_campaign


@pytest.mark.parametrize("kind", ["good", "silent"])
def test_whenever_it_is_killed_the_old_or_the_new_one_runs(tmp_path: Path, kind: str) -> None:
    """Whole, never neither, and the update can be had again."""
    campaign = run_campaign(tmp_path, kills=12, seed=2026, kinds=(kind,), files=2)

    assert campaign.kills.total() == 12
    assert campaign.wrong == []
