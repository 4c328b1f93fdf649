"""Documents as DOCX, set as Vietnamese administrative documents are.

Source: Decree 30/2020/ND-CP, appendix I (A4; margins of 20 mm above and below, 30 mm left, 15 mm
right; Times New Roman; page numbers centred above the text).
"""

from __future__ import annotations

import io
from typing import Any

import docx
from docx.document import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import _Cell
from docx.text.paragraph import Paragraph as DocxParagraph

from gateway.runtime.plain_text import printable
from gateway.survey.archive import repacked, title_text
from gateway.survey.printed import Block, Paragraph, Printed, Row, Style, Table

FONT = "Times New Roman"
SIZE_PT, TABLE_PT = 13, 11
PAGE_MM, TEXT_MM = (210, 297), 165

_SET: dict[Style, tuple[bool, bool, bool]] = {
    "title": (True, False, True),
    "subtitle": (False, True, True),
    "heading": (True, False, False),
    "part": (True, False, False),
    "plain": (False, False, False),
    "note": (False, True, False),
}
"""Style -> bold, italic, centred."""


def write_docx(printed: Printed) -> bytes:
    """Return *printed* as DOCX; the same document gives the same bytes."""
    document = docx.Document()
    _set_page(document)
    properties = document.core_properties
    properties.title, properties.author = title_text(printed.title), "camera-gateway"
    properties.language = "vi-VN"
    properties.comments = ""
    for block in printed.blocks:
        _add(document, block)
    file = io.BytesIO()
    document.save(file)
    return repacked(file.getvalue(), printed.made_ms)


def _set_page(document: Document) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = (Mm(each) for each in PAGE_MM)
    section.top_margin = section.bottom_margin = Mm(20)
    section.left_margin, section.right_margin = Mm(30), Mm(15)
    section.header_distance = Mm(10)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(SIZE_PT)
    fonts = normal.element.get_or_add_rPr().get_or_add_rFonts()
    for script in ("w:eastAsia", "w:cs", "w:hAnsi", "w:ascii"):
        fonts.set(qn(script), FONT)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "vi-VN")
    normal.element.get_or_add_rPr().append(language)
    number = section.header.paragraphs[0]
    number.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _add_field(number, "PAGE")


def _add_field(paragraph: DocxParagraph, code: str) -> None:
    """Add a field that the office program computes."""
    run = paragraph.add_run()
    for kind, text in (("begin", ""), ("", code), ("end", "")):
        element: Any = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = text
        run._r.append(element)


def _add(document: Document, block: Block) -> None:
    if isinstance(block, Paragraph):
        _set_text(document.add_paragraph(), block.text, block.style)
    elif isinstance(block, Table):
        _add_table(document, block)
    else:
        document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)


def _set_text(paragraph: DocxParagraph, text: str, style: Style, size_pt: int = SIZE_PT) -> None:
    """Set *text*, line by line, in the one paragraph."""
    bold, italic, centred = _SET[style]
    run = paragraph.add_run()
    for number, line in enumerate(text.split("\n")):
        if number:
            run.add_break()
        run.add_text(printable(line))
    run.bold, run.italic, run.font.size = bold, italic, Pt(size_pt)
    if centred:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    shape = paragraph.paragraph_format
    in_table = size_pt == TABLE_PT
    shape.space_before = Pt(0 if in_table or centred else 6)
    shape.space_after = Pt(0 if in_table or centred else 4)
    shape.keep_with_next = style in ("heading", "part")


def _add_table(document: Document, table: Table) -> None:
    added = document.add_table(rows=1 + len(table.rows), cols=len(table.columns))
    added.style = document.styles["Table Grid"]
    added.alignment, added.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    whole = sum(table.widths)
    widths = [Mm(TEXT_MM * each / whole) for each in table.widths]
    for column, width in zip(added.columns, widths, strict=True):
        column.width = width
    rows = [Row(table.columns), *table.rows]
    for number, (row, new) in enumerate(zip(rows, added.rows, strict=True)):
        cells = new.cells
        _keep_whole(new._tr, repeated=number == 0)
        if row.spans:
            _set_cell(cells[0].merge(cells[-1]), row.cells[0], "part")
            continue
        for cell, width, text in zip(cells, widths, row.cells, strict=True):
            cell.width = width
            _set_cell(cell, text, "title" if number == 0 else "plain")
    gap = document.add_paragraph()  # two tables without one between them are one table
    gap.paragraph_format.space_after = Pt(0)


def _set_cell(cell: _Cell, text: str, style: Style) -> None:
    _set_text(cell.paragraphs[0], text, style, TABLE_PT)


def _keep_whole(row: Any, *, repeated: bool) -> None:
    """Keep a row on one page, and have the header row repeated on each."""
    properties = row.get_or_add_trPr()
    properties.append(OxmlElement("w:cantSplit"))
    if repeated:
        properties.append(OxmlElement("w:tblHeader"))
