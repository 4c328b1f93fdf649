"""docs/faults.md and docs/threats.md name tests that exist, and have all their rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
FAULTS = (TOP / "docs" / "faults.md").read_text(encoding="utf-8")
THREATS = (TOP / "docs" / "threats.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", FAULTS + THREATS)))
WRITTEN = {
    name
    for path in (TOP / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
}
WITHOUT_A_TEST = {"T23"}
"""What no test can show; the row says why."""


def rows(text: str, initials: str) -> list[str]:
    """Return the numbers of a document's rows, e.g. B4, in their order."""
    return re.findall(rf"^\| ([{initials}]\d+) \|", text, re.MULTILINE)


def cells(number: str) -> list[str]:
    """Return the cells of a threat's row: its number, threat, attacker, control, tests, rest."""
    line = next(line for line in THREATS.splitlines() if line.startswith(f"| {number} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name: str) -> None:
    """Whoever renames it, renames it here."""
    assert name in WRITTEN


def test_every_row_is_there() -> None:
    """B4 to B12 and E1 to E10."""
    assert rows(FAULTS, "BE") == [f"B{n}" for n in range(4, 13)] + [f"E{n}" for n in range(1, 11)]


def test_every_threat_is_there_once() -> None:
    """From T1 on without a gap, in groups."""
    found = rows(THREATS, "T")

    assert sorted(found, key=lambda row: int(row[1:])) == [
        f"T{n}" for n in range(1, len(found) + 1)
    ]


@pytest.mark.parametrize("number", rows(THREATS, "T"))
def test_a_threat_has_a_control_tests_and_what_is_left(number: str) -> None:
    """No cell is empty; only where no test is possible there is none."""
    row = cells(number)

    assert len(row) == 6
    assert all(row)
    assert bool(re.search(r"`test_\w+`", row[4])) is (number not in WITHOUT_A_TEST)


def test_the_numbers_of_faults_are_those_of_threats() -> None:
    """A threat that the table of faults speaks of is one of these."""
    assert {*rows(FAULTS, "T")} <= {*rows(THREATS, "T")}
