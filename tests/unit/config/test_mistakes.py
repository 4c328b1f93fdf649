"""Every mistake of the table, by the check that an installer runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.check import check_files
from gateway.config.fault_wording import said_of
from gateway.runtime.redact import Redactor
from tests.unit.config.mistakes import MISTAKES, Mistake

DOCUMENT = Path(__file__).parents[3] / "docs" / "mistakes.md"


def told(mistake: Mistake, folder: Path) -> tuple[str, str]:
    """Return the first sentence that is said of *mistake*, and its cure."""
    mistake.write(folder)
    checked = check_files([folder / "gateway.toml", folder / "site.json"], redactor=Redactor())
    faults = [*checked.faults, *checked.oddities]
    said = said_of(faults[0][1])
    return said.vi.replace(f"{folder}/", ""), said.vi_todo.replace(f"{folder}/", "")


def row(mistake: Mistake, folder: Path) -> str:
    """Return the row of the table."""
    vi, todo = (each.replace("|", "\\|") for each in told(mistake, folder))
    return f"| {mistake.what} | `{mistake.file}` | {vi} | {todo} |"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: f"{each.what}: {each.file}")
def test_each_mistake_is_told_with_its_cure(mistake: Mistake, tmp_path: Path) -> None:
    """In Vietnamese; and the table of the documents has these very words."""
    vi, todo = told(mistake, tmp_path / "a")

    assert vi.startswith(mistake.vi)
    assert mistake.todo in todo
    assert row(mistake, tmp_path / "b") in DOCUMENT.read_text()
