"""The rows of an XLSX document. Runs in a child with limits (`gateway.documents.worker`).

A workbook is an archive of XML: what it claims to unpack to is summed before anything is unpacked,
and `zipfile` unpacks no more than is claimed. Formulas count as what they were when it was saved.

Source: ECMA-376 (Office Open XML).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from gateway.documents.faults import refuse_document
from gateway.documents.rows import SourceCell, SourceTable, column_name, table_of
from gateway.model.document_template import MOST_COLUMNS, DocumentKind, plain_key

UNPACKED_BYTES = 33_554_432
MOST_PARTS = 200
MOST_SKIPPED = 100
"""Rows that may be empty above and between those of the table."""

_ENCRYPTED_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
"""How a workbook with a password begins, and one of Excel before 2007 (MS-CFB)."""


def xlsx_table(raw: bytes, kind: DocumentKind) -> SourceTable:
    """Return what stands in the workbook *raw*. Raises DocumentRefused."""
    if raw.startswith(_ENCRYPTED_MAGIC):
        raise refuse_document("locked")
    _check_archive(raw)
    try:
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        names = {plain_key(name).casefold(): name for name in book.sheetnames}
        wanted = plain_key(kind.sheet).casefold()
        if wanted and wanted not in names:
            raise refuse_document("sheet", key=kind.sheet)
        sheet = book[names[wanted] if wanted else book.sheetnames[0]]
        if not hasattr(sheet, "reset_dimensions"):  # a sheet that is only a chart
            raise refuse_document("sheet", key=kind.sheet or sheet.title)
        sheet.reset_dimensions()  # what the file claims of them may be wrong
        lines = list(_lines(sheet, kind.max_rows + MOST_SKIPPED + 2))
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        zlib.error,
        ParseError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        EOFError,
        OSError,
        NotImplementedError,
    ):  # openpyxl lets through whatever a damaged part raises
        raise refuse_document("form", form="XLSX") from None
    return table_of(lines)


def _check_archive(raw: bytes) -> None:
    """Refuse what is no archive, or would be too large. Raises DocumentRefused."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError):
        raise refuse_document("form", form="XLSX") from None
    if any(part.flag_bits & 1 for part in parts):
        raise refuse_document("locked")
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > UNPACKED_BYTES:
        raise refuse_document("cost")


def _lines(sheet: object, most: int) -> Iterator[tuple[int, list[SourceCell]]]:
    title = str(sheet.title)  # type: ignore[attr-defined]  # a ReadOnlyWorksheet
    rows = sheet.iter_rows(  # type: ignore[attr-defined]
        max_row=most, max_col=2 * MOST_COLUMNS, values_only=True
    )
    for number, row in enumerate(rows, 1):
        yield (
            number,
            [SourceCell(f"{title}!{column_name(i)}{number}", value) for i, value in enumerate(row)],
        )
