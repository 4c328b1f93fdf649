"""The rows of a CSV or JSON document, as values with their places. Pure and bounded.

Sources: RFC 4180 (CSV), RFC 8259 (JSON).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.documents.faults import refuse_document
from gateway.model.document_template import DOCUMENT_BYTES, DocumentKind, plain_key
from gateway.runtime import strict_json
from gateway.runtime.strict_json import StrictJsonError

MOST_VALUES = 200_000
"""In one file."""

MOST_CELLS = 256
"""Of one row: more are no table of ours, and each would be a fault."""

_DELIMITERS = (";", "\t", ",")


@dataclass(frozen=True, slots=True)
class SourceCell:
    """One value of a file.

    Attributes:
        at: Its place.
        value: Text, number, date, truth or None.
    """

    at: str
    value: object


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row.

    Attributes:
        at: Its place.
        cells: Its values by the names of their columns, in one case.
        nameless: Values in columns without a name.
    """

    at: str
    cells: Mapping[str, SourceCell]
    nameless: tuple[SourceCell, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceTable:
    """What a file holds.

    Attributes:
        header: Place and name of each column; None where each row names its own (JSON).
        rows: Those that have any value.
    """

    header: tuple[SourceCell, ...] | None
    rows: Iterable[SourceRow]


def csv_table(raw: bytes, kind: DocumentKind) -> SourceTable:
    """Return what stands in the CSV file *raw*. Raises DocumentRefused."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse_document("encoding") from None
    if "\0" in text:
        raise refuse_document("encoding")
    delimiter = _delimiter_of(text, kind)
    return table_of(
        (
            number,
            [SourceCell(f"{column_name(index)}{number}", each) for index, each in enumerate(row)],
        )
        for number, row in enumerate(_csv_rows(text, delimiter), 1)
    )


def json_table(raw: bytes) -> SourceTable:
    """Return what stands in the JSON file *raw*. Raises DocumentRefused."""
    try:
        parsed = strict_json.parse(
            raw.removeprefix(b"\xef\xbb\xbf"),
            max_bytes=DOCUMENT_BYTES,
            max_values=MOST_VALUES,
            control_characters=True,
        )
    except StrictJsonError as error:
        raise refuse_document("json", got=error.flaw.message) from None
    for flaw in parsed.flaws:
        at = "".join(f"/{step}" for step in flaw.at)[:200]
        raise refuse_document("json", at, got=flaw.message)
    tree = parsed.tree
    if isinstance(tree, dict) and set(tree) == {"rows"}:
        tree = tree["rows"]
    if not isinstance(tree, list):
        raise refuse_document("json.rows")
    return SourceTable(None, list(_json_rows(tree)))


def table_of(lines: Iterable[tuple[int, list[SourceCell]]]) -> SourceTable:
    """Return the table in *lines*, each with its number; the first that is not empty names columns.

    Raises:
        DocumentRefused: There is none.
    """
    filled = (cells for _, cells in lines if any(_is_there(each.value) for each in cells))
    head = next(filled, None)
    if head is None:
        raise refuse_document("empty")
    header = tuple(
        SourceCell(each.at, plain_key(str(each.value))) for each in head if _is_there(each.value)
    )
    places = [plain_key(str(each.value)) if _is_there(each.value) else "" for each in head]

    def rows() -> Iterator[SourceRow]:
        for cells in filled:
            named, nameless = {}, []
            for index, each in enumerate(cells):
                name = places[index] if index < len(places) else ""
                if name:
                    named[name.casefold()] = each
                elif _is_there(each.value):
                    nameless.append(each)
            yield SourceRow(cells[0].at, named, tuple(nameless))

    return SourceTable(header, rows())


def column_name(index: int) -> str:
    """Return the name of the column *index*, from 0, as spreadsheets show it: ``A``, ``AA``."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _delimiter_of(text: str, kind: DocumentKind) -> str:
    """Return what stands between the cells of *text*: by it the first row has most known names."""
    known = {column.key.casefold() for column in kind.columns}
    head = next((line for line in text.splitlines() if line.strip()), "")

    def found(delimiter: str) -> int:
        try:
            names = next(csv.reader([head], delimiter=delimiter), [])
        except csv.Error:
            return -1
        return sum(plain_key(each).casefold() in known for each in names)

    return max(_DELIMITERS, key=found)


def _csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield all rows of *text*. Raises DocumentRefused."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    values = 0
    try:
        for row in reader:
            values += len(row)
            if values > MOST_VALUES or len(row) > MOST_CELLS:
                raise refuse_document("cost")
            yield row
    except csv.Error as error:
        code = "cost" if "field larger" in str(error) else "quotes"
        raise refuse_document(code, f"A{reader.line_num}") from None


def _json_rows(tree: list[object]) -> Iterator[SourceRow]:
    for number, row in enumerate(tree):
        if not isinstance(row, dict):
            raise refuse_document("json.row", f"/{number}")
        cells = {
            plain_key(str(key)).casefold(): SourceCell(f"/{number}/{str(key)[:64]}", value)
            for key, value in row.items()
        }
        yield SourceRow(f"/{number}", cells)


def _is_there(value: object) -> bool:
    return value is not None and bool(str(value).strip())
