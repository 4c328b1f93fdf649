"""Cells are texts and nothing else."""

from __future__ import annotations

import csv
import io

import pytest

from gateway.survey.rows import COLUMNS, safe_cell, write_form_csv
from tests.unit.survey.filled import form


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1"]
)
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    """A camera may be called anything."""
    assert safe_cell(text).startswith(("'", "\\t"))


def test_excel_takes_it_for_utf_8_and_finds_every_field() -> None:
    """A byte order mark in front; a row for each field."""
    raw = write_form_csv((form(contacts=()),))
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))

    assert raw.startswith(b"\xef\xbb\xbf")
    assert tuple(rows[0]) == COLUMNS
    assert [row[4] for row in rows[1:3]] == ["I", "II.I.1"]
    assert len(rows) == 1 + 14
