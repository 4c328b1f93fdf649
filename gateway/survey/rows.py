"""Filled forms as one long table, a row for each field, for whoever sorts and filters.

Cells are texts of strangers: a camera may be called ``=cmd|...``. What a spreadsheet would take for
a formula gets an apostrophe in front, also where a cell has a type: the file may be saved as CSV.

Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from gateway.runtime.plain_text import printable
from gateway.survey.answers import MISSING, SOURCES, SiteForm
from gateway.survey.asking import asked_of, field_name
from gateway.survey.fill import time_text
from gateway.survey.form import CONTACT_COLUMNS, CONTACTS, QUESTIONS, SYSTEM_COLUMNS, SYSTEMS

COLUMNS = (
    "Mã tỉnh",
    "Tỉnh, thành phố",
    "Mã điểm",
    "Điểm",
    "Mục",
    "Nội dung",
    "Mô tả chi tiết",
    "Nguồn",
    "Thời điểm",
    "Lệch",
    "Hỏi",
)

COLUMN_WIDTHS = (5, 10, 10, 14, 6, 20, 24, 8, 10, 12, 14)

CELL_CHARS = 32_000
"""Most characters of a cell; a spreadsheet takes 32,767."""

_STARTS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""The last four are the first ones, full width."""


def form_rows(forms: Iterable[SiteForm]) -> Iterator[tuple[str, ...]]:
    """Yield a row, as `COLUMNS` has them, for each field of each of *forms*."""
    for form in forms:
        place = (
            form.province,
            form.province_name,
            form.gateway,
            form.name or form.gateway,
        )
        for row in (*_contact_rows(form), *_question_rows(form), *_system_rows(form)):
            yield (*place, *row)


def safe_cell(text: str) -> str:
    """Return *text* as a cell that is text and nothing else."""
    shown = printable(text, keep="\n")[:CELL_CHARS]
    return f"'{shown}" if shown.lstrip(" ").startswith(_STARTS_FORMULA) else shown


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """Return a table as CSV (RFC 4180) that Excel takes for UTF-8: with a byte order mark."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(list(columns))
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return file.getvalue().encode("utf-8-sig")


def write_form_csv(forms: Iterable[SiteForm]) -> bytes:
    """Return *forms* as CSV."""
    return write_csv(COLUMNS, form_rows(forms))


def _question_rows(form: SiteForm) -> Iterator[tuple[str, ...]]:
    for question in QUESTIONS.values():
        answer = form.answer(question.number)
        sources = "\n".join(SOURCES[each.source] for each in answer.said)
        times = "\n".join(
            "" if each.time_ms is None else time_text(each.time_ms) for each in answer.said
        )
        ask = asked_of(form, question.number) if answer.missing else ""
        text = (answer.text, sources, times, answer.mismatch, ask)
        yield (question.number, question.wording, *text)


def _contact_rows(form: SiteForm) -> Iterator[tuple[str, ...]]:
    wording = field_name(CONTACTS)
    if form.contacts is None:
        return
    for each in form.contacts:
        said = (each.name, each.unit, each.position, each.phone, each.note)
        yield (
            CONTACTS,
            wording,
            _named(CONTACT_COLUMNS[1:], said),
            SOURCES["declared"],
            "",
            "",
            "",
        )
    if not form.contacts:
        yield (CONTACTS, wording, MISSING, "", "", "", asked_of(form, CONTACTS))


def _system_rows(form: SiteForm) -> Iterator[tuple[str, ...]]:
    wording = field_name(SYSTEMS)
    for each in form.systems:
        said = (each.name, each.functions, each.data_managed)
        yield (SYSTEMS, wording, _named(SYSTEM_COLUMNS[1:], said), SOURCES["declared"], "", "", "")
    if not form.systems:
        yield (SYSTEMS, wording, MISSING, "", "", "", asked_of(form, SYSTEMS))


def _named(columns: Iterable[str], said: Iterable[str | None]) -> str:
    """Return what is said in each column, with its name."""
    return "; ".join(
        f"{column}: {MISSING if text is None else text}"
        for column, text in zip(columns, said, strict=True)
    )
