"""The child that looks into documents: what is in them costs that child only."""

from __future__ import annotations

import io
import zipfile

import pytest

from gateway.documents.inspection import inspect_document
from gateway.documents.xlsx_rows import UNPACKED_BYTES
from tests.fixtures.documents import HEADER, ROW, kind, workbook


async def codes(raw: bytes, ending: str = "xlsx") -> list[str]:
    return [each.code for each in await inspect_document(raw, kind(ending))]


def with_part(name: str, content: bytes, *, claimed: int | None = None) -> bytes:
    """Return a good workbook in which *name* holds *content*, and claims another size if given."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([HEADER, ROW]))) as good,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for part in good.namelist():
            if part != name:
                archive.writestr(part, good.read(part))
        archive.writestr(name, content)
        if claimed is not None:
            archive.getinfo(name).file_size = claimed
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


async def test_a_good_workbook_passes_in_its_sandbox() -> None:
    """Nothing that reading it takes is forbidden to the child."""
    assert await codes(workbook([HEADER, ROW])) == []


@pytest.mark.parametrize(
    ("content", "claimed", "code"),
    [
        (b"<x>" + b"a" * (UNPACKED_BYTES + 1), None, "cost"),
        (b"<x>" + b"a" * UNPACKED_BYTES, 100, "form"),
        (
            b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
            b"<x>&b;</x>",
            None,
            "form",
        ),
        (b"<x" * 100_000, None, "form"),
    ],
    ids=["bomb", "lying bomb", "entities", "no xml"],
)
async def test_a_workbook_that_would_cost_too_much_is_refused(
    content: bytes, claimed: int | None, code: str
) -> None:
    """Before it is unpacked, or by a limit of the child."""
    assert await codes(with_part(SHEET, content, claimed=claimed)) == [code]


async def test_a_row_far_below_is_not_walked_to() -> None:
    """A file of 1 kB may claim a million rows."""
    row = '<row r="{0}"><c r="A{0}"><v>1</v></c></row>'
    rows = row.format(1) + row.format(1_048_576)
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'

    assert (await codes(with_part(SHEET, sheet.encode())))[0] == "column.unknown"


@pytest.mark.parametrize("sheets", [b"<x/>", b""])
async def test_a_workbook_without_its_parts_is_refused(sheets: bytes) -> None:
    """It is damaged, and nothing else."""
    assert await codes(with_part("xl/workbook.xml", sheets)) == ["form"]


async def test_a_workbook_with_a_password_is_named() -> None:
    """It is another kind of file then."""
    assert await codes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)) == ["locked"]
