"""Sheets as XLSX: every cell is text, whatever it looks like."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable

from openpyxl import Workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from gateway.survey.archive import repacked, title_text
from gateway.survey.printed import Row, Sheet
from gateway.survey.rows import safe_cell

FONT = "Times New Roman"
WIDTH_CHARS = 140
"""Of a table, in characters."""

LINE_PT, HIGHEST_PT = 14.5, 409.0
"""Of a line of text; of a row, at most."""

LINE_CHARS = 1.2
"""Characters of text in a line, for each of a column's width; less where words are long."""

_SIDE = Side(style="thin")
_BORDER = Border(left=_SIDE, right=_SIDE, top=_SIDE, bottom=_SIDE)
_PLAIN, _BOLD = Font(name=FONT, size=11), Font(name=FONT, size=11, bold=True)
_WRAP = Alignment(wrap_text=True, vertical="top")
_CENTRED = Alignment(wrap_text=True, vertical="center", horizontal="center")
_GREY = PatternFill("solid", fgColor="FFE7E6E6")


def write_xlsx(title: str, made_ms: int, sheets: Iterable[Sheet]) -> bytes:
    """Return *sheets* as a workbook; the same sheets give the same bytes.

    Args:
        title: For the file's properties.
        made_ms: Wall clock, for the file's properties.
        sheets: At least one.
    """
    book = Workbook()
    book.remove(book.worksheets[0])
    book.properties.title, book.properties.creator = title_text(title), "camera-gateway"
    for sheet in sheets:
        _fill(book.create_sheet(sheet.name), sheet)
    file = io.BytesIO()
    book.save(file)
    return repacked(file.getvalue(), made_ms)


def _fill(added: Worksheet, sheet: Sheet) -> None:
    columns = len(sheet.table.columns)
    for number, line in enumerate(sheet.lines, 1):
        _merge(added, number, columns, line)
    header = len(sheet.lines) + 1
    _set_row(added, header, sheet.table.columns, font=_BOLD, alignment=_CENTRED, fill=_GREY)
    whole = sum(sheet.table.widths)
    chars = [WIDTH_CHARS * each / whole for each in sheet.table.widths]
    for number, row in enumerate(sheet.table.rows, header + 1):
        _add_row(added, number, columns, row)
        if not row.spans:
            added.row_dimensions[number].height = _height_pt(row.cells, chars)
    for number, width in enumerate(chars, 1):
        column = added.cell(header, number).coordinate.removesuffix(str(header))
        added.column_dimensions[column].width = width
    added.freeze_panes = f"A{header + 1}"
    if not sheet.lines and sheet.table.rows:
        last = added.cell(header + len(sheet.table.rows), columns).coordinate
        added.auto_filter.ref = f"A{header}:{last}"
    added.print_title_rows = f"{header}:{header}"
    added.page_setup.paperSize = added.PAPERSIZE_A4
    added.page_setup.orientation = "landscape"
    added.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    added.page_setup.fitToHeight = 0


def _height_pt(texts: Iterable[str], chars: Iterable[float]) -> float:
    """Return how high a row must be: not every program finds that out when it opens a file."""
    lines = max(
        sum(max(1, math.ceil(len(line) / (LINE_CHARS * width))) for line in text.split("\n"))
        for text, width in zip(texts, chars, strict=True)
    )
    return min(HIGHEST_PT, lines * LINE_PT + 2)


def _add_row(added: Worksheet, number: int, columns: int, row: Row) -> None:
    if row.spans:
        _merge(added, number, columns, row.cells[0])
        for column in range(1, columns + 1):
            added.cell(number, column).border = _BORDER
    else:
        _set_row(added, number, row.cells, font=_PLAIN, alignment=_WRAP)


def _merge(added: Worksheet, number: int, columns: int, text: str) -> None:
    cell = added.cell(number, 1)
    _set_text(cell, text)
    cell.font, cell.alignment = _BOLD, _WRAP
    added.merge_cells(start_row=number, end_row=number, start_column=1, end_column=columns)


def _set_row(
    added: Worksheet,
    number: int,
    texts: Iterable[str],
    *,
    font: Font,
    alignment: Alignment,
    fill: PatternFill | None = None,
) -> None:
    for column, text in enumerate(texts, 1):
        cell = added.cell(number, column)
        _set_text(cell, text)
        cell.font, cell.alignment, cell.border = font, alignment, _BORDER
        if fill is not None:
            cell.fill = fill


def _set_text(cell: Cell | MergedCell, text: str) -> None:
    """Set *text* as text: no formula, no number, no date."""
    cell.value = safe_cell(text)
    cell.data_type = "s"
