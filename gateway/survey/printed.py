"""What a filled form looks like, whatever file it becomes: headings, paragraphs and tables.

Each writer (`gateway.survey.markdown`, and those of office files) only sets these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.model.contacts import ContactConfig
from gateway.model.provinces import FORMER_PROVINCES
from gateway.model.survey import SystemSurvey
from gateway.survey.answers import MISSING, SOURCES, Answer, Said, SiteForm
from gateway.survey.asking import asked_of, field_name
from gateway.survey.fill import day_text, time_text
from gateway.survey.form import (
    CONTACT_COLUMNS,
    CONTACT_HINT,
    FORM,
    GROUPS,
    PART_I,
    PART_II,
    PART_III,
    QUESTION_COLUMNS,
    SUBTITLE,
    SYSTEM_COLUMNS,
    TITLE,
)
from gateway.survey.rows import COLUMN_WIDTHS, COLUMNS, form_rows

Style = Literal["title", "subtitle", "heading", "part", "plain", "note"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text, and what it is."""

    text: str
    style: Style = "plain"


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a table, as many as it has columns; or one text over all of them."""

    cells: tuple[str, ...]
    spans: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a header row that is repeated on each page.

    Attributes:
        columns: Headings.
        widths: Of the columns, in parts of the whole.
        rows: Below.
    """

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class PageBreak:
    """What follows begins on a new page."""


Block = Paragraph | Table | PageBreak


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook.

    Attributes:
        name: Of its tab; 31 characters at most.
        lines: Above the table.
        table: Its only one.
    """

    name: str
    lines: tuple[str, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Printed:
    """A document.

    Attributes:
        title: For the file's properties.
        made_ms: Wall clock; also the date of the file's properties.
        blocks: In order.
    """

    title: str
    made_ms: int
    blocks: tuple[Block, ...]


CONTACT_WIDTHS = (8, 20, 21, 15, 17, 19)
QUESTION_WIDTHS = (8, 31, 38, 23)
SYSTEM_WIDTHS = (8, 24, 34, 34)


def print_site(form: SiteForm) -> Printed:
    """Return the filled form of one site."""
    name = form.name or form.gateway
    blocks = [*print_heading(), *_site_line(form), *site_blocks(form), *_after(form)]
    return Printed(f"Phụ lục {FORM}: {name}", form.made_ms, tuple(blocks))


def site_sheets(form: SiteForm) -> tuple[Sheet, ...]:
    """Return the filled form of one site as the sheets of a workbook."""
    where = tuple(each.text for each in _site_line(form))
    return (
        Sheet("I", (*TITLE, *where, PART_I), contact_table(form.contacts)),
        Sheet("II", (PART_II,), question_table(form.answers)),
        Sheet("III", (PART_III,), system_table(form.systems)),
        data_sheet((form,)),
    )


def data_sheet(forms: Iterable[SiteForm]) -> Sheet:
    """Return the sheet with a row for each field of each of *forms*."""
    rows = tuple(Row(cells) for cells in form_rows(forms))
    return Sheet("Dữ liệu", (), Table(COLUMNS, COLUMN_WIDTHS, rows))


def print_heading() -> Iterator[Block]:
    """Yield the first lines of the appendix."""
    yield from (Paragraph(each, "title") for each in TITLE)
    yield from (Paragraph(each, "subtitle") for each in SUBTITLE)


def site_blocks(form: SiteForm) -> Iterator[Block]:
    """Yield the three parts of the appendix, filled."""
    yield Paragraph(PART_I, "part")
    yield contact_table(form.contacts)
    yield Paragraph(PART_II, "part")
    yield question_table(form.answers)
    yield Paragraph(PART_III, "part")
    yield system_table(form.systems)


def contact_table(contacts: Sequence[ContactConfig] | None, without: Sequence[str] = ()) -> Table:
    """Return part I; None: it is kept apart. *without*: provinces that have told nobody."""
    if contacts is None:
        rows = [Row(("", "", "", "", "", "không kèm theo: dữ liệu cá nhân giữ tại điểm"))]
    elif not contacts:
        rows = [Row(("1", MISSING, MISSING, MISSING, MISSING, CONTACT_HINT))]
    else:
        rows = [
            Row(
                (
                    str(number),
                    each.name,
                    each.unit or MISSING,
                    each.position or MISSING,
                    each.phone or MISSING,
                    each.note or "",
                )
            )
            for number, each in enumerate(contacts, 1)
        ] + [
            Row((str(number), *(MISSING,) * 4, f"{name}: {CONTACT_HINT}"))
            for number, name in enumerate(without, len(contacts) + 1)
        ]
    return Table(CONTACT_COLUMNS, CONTACT_WIDTHS, tuple(rows))


def question_table(answers: Iterable[Answer], *, remark: str = "Lệch") -> Table:
    """Return part II: every line of the form, filled or missing, sources in the last column.

    *remark* is put before what disagrees.
    """
    known = {each.number: each for each in answers}
    rows = []
    for heading, questions in GROUPS:
        rows.append(Row((heading,), spans=True))
        for question in questions:
            answer = known.get(question.number, Answer(number=question.number))
            rows.append(
                Row((question.line, question.wording, answer.text, remark_of(answer, remark)))
            )
    return Table(QUESTION_COLUMNS, QUESTION_WIDTHS, tuple(rows))


def system_table(systems: Iterable[SystemSurvey], without: Sequence[str] = ()) -> Table:
    """Return part III. *without*: provinces that have told no system."""
    told = [(each.name, each.functions, each.data_managed) for each in systems]
    if told:
        told += [(f"{name}: {MISSING}", None, None) for name in without]
    rows = tuple(
        Row((str(number), name, functions or MISSING, managed or MISSING))
        for number, (name, functions, managed) in enumerate(told or [(MISSING, None, None)], 1)
    )
    return Table(SYSTEM_COLUMNS, SYSTEM_WIDTHS, rows)


def made_text(form: SiteForm) -> str:
    """Return when *form* was filled, and how much of it."""
    made = f"Lập lúc {time_text(form.made_ms)}" if form.made_ms else "Không rõ lập lúc nào"
    return f"{made}. Mức đầy đủ: {form.filled}/{form.fields} mục."


def former_text(form: SiteForm) -> str:
    """Return in brackets which of the 63 provinces the site belonged to, if it says so."""
    former = FORMER_PROVINCES.get(form.former_province or "")
    return "" if former is None else f" (trước 01/07/2025: {former.name})"


def remark_of(answer: Answer, remark: str) -> str:
    """Return the column "Ghi chú": sources with their days, then *remark* and what disagrees."""
    lines = [_source_text(each) for each in answer.said]
    if answer.mismatch:
        lines.append(f"{remark}: {answer.mismatch}")
    return "\n".join(lines)


def _source_text(said: Said) -> str:
    word = SOURCES[said.source].capitalize()
    return word if said.time_ms is None else f"{word} {day_text(said.time_ms)}"


def _site_line(form: SiteForm) -> Iterator[Paragraph]:
    where = f"Tỉnh, thành phố: {form.province_name}{former_text(form)}"
    yield Paragraph(f"{where}. Điểm: {form.name or form.gateway} ({form.gateway}).")
    yield Paragraph(made_text(form), "note")


def _after(form: SiteForm) -> Iterator[Block]:
    """Yield what is missing and who is asked for it, and what the sources mean."""
    if form.missing:
        yield Paragraph("Các mục còn thiếu", "heading")
        rows = (Row((field_name(each), asked_of(form, each))) for each in form.missing)
        yield Table(("Mục", "Hỏi"), (60, 40), tuple(rows))
    yield Paragraph(
        "Nguồn: “khai báo” do người khai hoặc cấu hình; “phát hiện” do thiết bị tự cho biết;"
        " “đo được” do thiết bị chuyển hình đo. Việc luồng có ra Internet hay không chỉ theo khai"
        " báo, không dò từ bên ngoài.",
        "note",
    )
