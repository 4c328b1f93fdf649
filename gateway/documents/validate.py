"""Whether a monthly document is as its template says. Pure."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from itertools import islice

from gateway.documents.faults import MOST_FAULTS, DocumentFault, DocumentRefused, fault
from gateway.documents.rows import SourceCell, SourceRow, SourceTable, csv_table, json_table
from gateway.model.document_template import DOCUMENT_BYTES, Column, DocumentKind

MOST_FIGURE = 1e15
"""Beyond it a figure is no longer exact."""

_GROUPED = {
    ",": re.compile(r"[+-]?[0-9]{1,3}(?:[. \u00a0][0-9]{3})+(?:,[0-9]+)?"),
    ".": re.compile(r"[+-]?[0-9]{1,3}(?:[, \u00a0][0-9]{3})+(?:\.[0-9]+)?"),
}
_PLAIN = {
    ",": re.compile(r"[+-]?[0-9]{1,20}(?:,[0-9]{1,20})?"),
    ".": re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?"),
}
_DATES = (
    (re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})"), (3, 2, 1)),
    (re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"), (1, 2, 3)),
)


def inspect(raw: bytes, kind: DocumentKind) -> tuple[DocumentFault, ...]:
    """Return what is wrong with the file *raw*, at most `MOST_FAULTS`; nothing: it may be sent.

    An XLSX file belongs into a child with limits: `gateway.documents.inspection`.
    """
    try:
        if len(raw) > DOCUMENT_BYTES:
            return (fault("", "size", got=len(raw), most=DOCUMENT_BYTES),)
        if not raw.strip():
            return (fault("", "empty"),)
        return tuple(islice(_faults_in(_table_of(raw, kind), kind), MOST_FAULTS))
    except DocumentRefused as error:
        return (error.fault,)


def figure(text: str, decimal: str) -> float | None:
    """Return the number that *text* says in Viet Nam's way, or None: it is none.

    Args:
        text: As ``1.234,5``, ``1234,5`` or ``1 234``.
        decimal: What stands before the fraction; the other one of ``,`` and ``.`` groups.
    """
    text = text.strip()
    if not (_PLAIN[decimal].fullmatch(text) or _GROUPED[decimal].fullmatch(text)):
        return None
    groups = "." if decimal == "," else ","
    for each in (groups, " ", "\u00a0"):
        text = text.replace(each, "")
    return float(text.replace(decimal, "."))


def _table_of(raw: bytes, kind: DocumentKind) -> SourceTable:
    if kind.format == "csv":
        return csv_table(raw, kind)
    if kind.format == "json":
        return json_table(raw)
    from gateway.documents.xlsx_rows import xlsx_table  # 10 MB, which only a child takes

    return xlsx_table(raw, kind)


def _faults_in(table: SourceTable, kind: DocumentKind) -> Iterator[DocumentFault]:
    if table.header is not None:
        yield from _header_faults(table.header, kind)
        present = {each.value for each in table.header}
        if any(
            each.required and each.key.casefold() not in _folded(present) for each in kind.columns
        ):
            return  # every row would say it again
    count = 0
    for count, row in enumerate(table.rows, 1):
        if count > kind.max_rows:
            yield fault(row.at, "rows.many", most=kind.max_rows)
            return
        yield from _row_faults(row, kind, names_keys=table.header is None)
    if count < kind.min_rows:
        yield fault("", "rows.few", got=count, least=kind.min_rows)


def _row_faults(row: SourceRow, kind: DocumentKind, *, names_keys: bool) -> Iterator[DocumentFault]:
    if names_keys:
        yield from _foreign_keys(row, kind)
    for column in kind.columns:
        yield from _cell_faults(row, column, kind)
    for cell in row.nameless:
        yield fault(cell.at, "column.unknown", key="")


def _header_faults(header: tuple[SourceCell, ...], kind: DocumentKind) -> Iterator[DocumentFault]:
    known = {each.key.casefold() for each in kind.columns}
    seen: set[str] = set()
    for cell in header:
        name = str(cell.value).casefold()
        if name not in known:
            yield fault(cell.at, "column.unknown", key=cell.value)
        elif name in seen:
            yield fault(cell.at, "column.twice", key=cell.value)
        seen.add(name)
    for column in kind.columns:
        if column.required and column.key.casefold() not in seen:
            yield fault("", "column.missing", key=column.key)


def _foreign_keys(row: SourceRow, kind: DocumentKind) -> Iterator[DocumentFault]:
    known = {each.key.casefold() for each in kind.columns}
    for name, cell in row.cells.items():
        if name not in known:
            yield fault(cell.at, "column.unknown", key=name)


def _cell_faults(row: SourceRow, column: Column, kind: DocumentKind) -> Iterator[DocumentFault]:
    cell = row.cells.get(column.key.casefold())
    value = None if cell is None else cell.value
    at = row.at if cell is None else cell.at
    if value is None or (isinstance(value, str) and not value.strip()):
        if column.required:
            yield fault(at, "value.missing", key=column.key)
    elif column.type == "text":
        yield from _text_faults(value, column, at)
    elif column.type == "date":
        if not _is_date(value):
            yield fault(at, "value.date", key=column.key, got=value)
    else:
        yield from _figure_faults(value, column, kind.decimal, at)


def _text_faults(value: object, column: Column, at: str) -> Iterator[DocumentFault]:
    if isinstance(value, list | dict):
        yield fault(at, "value.text", key=column.key, got=value)
    elif len(text := str(value)) > column.max_chars:
        yield fault(at, "value.long", key=column.key, got=len(text), most=column.max_chars)


def _figure_faults(value: object, column: Column, decimal: str, at: str) -> Iterator[DocumentFault]:
    found = figure(value, decimal) if isinstance(value, str) else _number(value)
    if found is None or not abs(found) <= MOST_FIGURE:
        code = "value.integer" if column.type == "integer" else "value.number"
        yield fault(at, code, key=column.key, got=value, decimal=decimal)
    elif column.type == "integer" and not found.is_integer():
        yield fault(at, "value.integer", key=column.key, got=value)
    elif column.min is not None and found < column.min:
        yield fault(at, "value.low", key=column.key, got=value, least=f"{column.min:g}")
    elif column.max is not None and found > column.max:
        yield fault(at, "value.high", key=column.key, got=value, most=f"{column.max:g}")


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _is_date(value: object) -> bool:
    if isinstance(value, dt.date):  # a datetime is one
        return True
    for pattern, places in _DATES:
        if isinstance(value, str) and (match := pattern.fullmatch(value.strip())):
            year, month, day = (int(match[place]) for place in places)
            try:
                dt.date(year, month, day)
            except ValueError:
                return False
            return True
    return False


def _folded(names: set[object]) -> set[str]:
    return {str(each).casefold() for each in names}
