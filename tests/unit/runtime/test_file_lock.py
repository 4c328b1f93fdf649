"""One at a time, whoever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime.file_lock import alone


@pytest.mark.parametrize("name", ["", "lock"])
def test_a_second_one_is_kept_out_until_the_first_has_ended(tmp_path: Path, name: str) -> None:
    """By a folder, or by a file that is made for it."""
    with alone(tmp_path / name), pytest.raises(BlockingIOError), alone(tmp_path / name):
        pass
    with alone(tmp_path / name, wait=True):
        pass
