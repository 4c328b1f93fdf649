"""Office files: the same form gives the same bytes, and a cell is never a formula."""

from __future__ import annotations

import io

import docx
import openpyxl
import pytest

from gateway.survey.docx_file import write_docx
from gateway.survey.form import QUESTIONS
from gateway.survey.printed import Row, Sheet, Table, print_site, site_sheets
from gateway.survey.xlsx_file import write_xlsx
from tests.fixtures.inventory import NOW_MS
from tests.unit.survey.filled import TECHNICIAN, form

HOSTILE = form().model_copy(update={"name": "=cmd|' /C calc'!A0\x07\ud800" * 12})


def test_a_document_has_every_line_of_the_form() -> None:
    """In the second table, filled."""
    written = docx.Document(io.BytesIO(write_docx(print_site(form(contacts=(TECHNICIAN,))))))
    rows = [[cell.text for cell in row.cells] for row in written.tables[1].rows]

    assert [row[1] for row in rows if row[0].isdigit()] == [
        each.wording for each in QUESTIONS.values()
    ]


def test_the_same_form_gives_the_same_bytes() -> None:
    """Whoever compares two files compares what is in them."""
    sheets = site_sheets(form())

    assert write_docx(print_site(form())) == write_docx(print_site(form()))
    assert write_xlsx("a", NOW_MS, sheets) == write_xlsx("a", NOW_MS, sheets)


def test_no_cell_is_a_formula() -> None:
    """A site may be called anything, also what no XML may hold."""
    book = openpyxl.load_workbook(
        io.BytesIO(write_xlsx(HOSTILE.name, NOW_MS, site_sheets(HOSTILE)))
    )
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value]

    assert {cell.data_type for cell in cells} == {"s"}
    assert write_docx(print_site(HOSTILE))


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_table_is_a_table(rows: int) -> None:
    """A country without anything missing has an empty list of it."""
    sheet = Sheet("a", (), Table(("x",), (1,), (Row(("y",)),) * rows))

    assert openpyxl.load_workbook(io.BytesIO(write_xlsx("a", 0, (sheet,))))["a"].max_row == 1 + rows
