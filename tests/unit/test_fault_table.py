"""docs/faults.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(test_\w+)`", (TOP / "docs" / "faults.md").read_text())))
WRITTEN = {
    name
    for path in (TOP / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name: str) -> None:
    """Whoever renames it, renames it here."""
    assert name in WRITTEN


def test_every_row_is_there() -> None:
    """B4 to B12 and E1 to E10."""
    text = (TOP / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| ([BE]\d+) \|", text, re.MULTILINE)

    assert rows == [f"B{n}" for n in range(4, 13)] + [f"E{n}" for n in range(1, 11)]
