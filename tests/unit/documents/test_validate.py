"""What is wrong with a monthly document, and where."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.faults import MOST_FAULTS, DocumentFault
from gateway.documents.validate import figure, inspect
from gateway.model.document_template import DOCUMENT_BYTES
from gateway.runtime.plain_text import printable
from tests.fixtures.documents import GOOD_CSV, HEADER, ROW, kind, workbook


def csv_of(*lines: str) -> bytes:
    return "\n".join(("Xã;Hồ sơ;Tỷ lệ;Ngày", *lines)).encode()


def found(raw: bytes, ending: str = "csv", **changes: object) -> list[tuple[str, str]]:
    return [(each.at, each.code) for each in inspect(raw, kind(ending, **changes))]


@pytest.mark.parametrize(
    "raw",
    [
        GOOD_CSV,
        GOOD_CSV.removeprefix(b"\xef\xbb\xbf"),
        GOOD_CSV.replace(b";", b"\t"),
        unicodedata.normalize("NFD", GOOD_CSV.decode()).encode(),
        'Xã,Hồ sơ,Tỷ lệ\n"Yên Phong, Bắc Ninh",120,"98,5"\n\n'.encode(),
        "tỷ lệ;hồ sơ;XÃ\n98,5;120;Yên Phong\n".encode(),
    ],
    ids=["bom", "plain", "tabs", "nfd", "commas", "order and case"],
)
def test_a_good_csv_file_has_no_fault(raw: bytes) -> None:
    """As Excel writes it here, with or without a mark, however it divides and spells accents."""
    assert inspect(raw, kind()) == ()


@pytest.mark.parametrize(
    ("line", "at", "code"),
    [
        (";1;2", "A2", "value.missing"),
        ("a;;2", "B2", "value.missing"),
        ("a;1,5;2", "B2", "value.integer"),
        ("a;-1;2", "B2", "value.low"),
        ("a;1;100,5", "C2", "value.high"),
        ("a;1;98.5", "C2", "value.number"),
        ("a;1;NaN", "C2", "value.number"),
        ("a;1;2;31/02/2026", "D2", "value.date"),
        (f"{'x' * 31};1;2", "A2", "value.long"),
        ("a;1;2;;5", "E2", "column.unknown"),
        ('"a;1;2', "A2", "quotes"),
    ],
)
def test_a_wrong_cell_is_named(line: str, at: str, code: str) -> None:
    """As Excel names it."""
    assert found(csv_of(line)) == [(at, code)]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        ("Xã;Hồ sơ".encode("utf-16"), "encoding"),
        (b"X\xe3;1", "encoding"),
        (b"a" * (DOCUMENT_BYTES + 1), "size"),
        (b";" * 20, "empty"),
        (b"a;" * 300, "cost"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_as_one_fault(raw: bytes, code: str) -> None:
    """Not once for each row."""
    assert [each.code for each in inspect(raw, kind())] == [code]


def test_columns_that_are_missing_strange_or_twice_are_told_without_the_rows() -> None:
    """Each row would say it again."""
    faults = found("Xã;Xã;Tổng\na;b;c\nd;e;f".encode())

    assert faults == [
        ("B1", "column.twice"),
        ("C1", "column.unknown"),
        ("", "column.missing"),
        ("", "column.missing"),
    ]


def test_rows_are_counted() -> None:
    """Neither fewer nor more than the template says."""
    assert found(csv_of("a;1;2"), min_rows=2) == [("", "rows.few")]
    assert found(csv_of(*["a;1;2"] * 3), max_rows=2) == [("A4", "rows.many")]


def test_no_more_faults_are_told_than_a_person_reads() -> None:
    """The file may have thousands."""
    assert len(inspect(csv_of(*["a;x;y"] * 90), kind())) == MOST_FAULTS


def test_json_rows_are_looked_into_likewise() -> None:
    """With pointers for places."""
    rows = [dict(zip(HEADER, ROW, strict=True)), {"Xã": [], "Hồ sơ": True, "z": 1}]
    assert found(json.dumps(rows[:1]).encode(), "json") == []
    assert found(json.dumps({"rows": rows}).encode(), "json") == [
        ("/1/z", "column.unknown"),
        ("/1/Xã", "value.text"),
        ("/1/Hồ sơ", "value.integer"),
        ("/1", "value.missing"),
    ]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{}", "json.rows"),
        (b"[1]", "json.row"),
        (b"[", "json"),
        (b"[" * 5000, "json"),
        (b'[{"a":1,"a":2}]', "json"),
        (b"[" + b"1," * 300_000 + b"1]", "json"),
    ],
)
def test_wrong_json_is_one_fault(raw: bytes, code: str) -> None:
    """Also what is nested or long beyond reason."""
    assert [each.code for each in inspect(raw, kind("json"))] == [code]


def test_a_workbook_is_read_with_its_own_types() -> None:
    """Numbers and dates are not text; the sheet is named with the cell."""
    rows = [HEADER, ("a", 3.5, 101, dt.date(2026, 5, 31)), (), ("b", "1.000", "x", 7)]

    assert found(workbook(rows), "xlsx") == [
        ("Trang1!B2", "value.integer"),
        ("Trang1!C2", "value.high"),
        ("Trang1!C4", "value.number"),
        ("Trang1!D4", "value.date"),
    ]


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1.234.567,5", ",", 1234567.5),
        ("1 234", ",", 1234.0),
        ("12,5", ",", 12.5),
        ("-0,5", ",", -0.5),
        ("1,234.5", ".", 1234.5),
        ("12.5", ",", None),
        ("1.23", ",", None),
        ("1e5", ",", None),
        ("٣", ",", None),
        ("", ",", None),
    ],
)
def test_a_figure_is_read_as_viet_nam_writes_it(
    text: str, decimal: str, value: float | None
) -> None:
    """One spelling, one value: what could be two is none."""
    assert figure(text, decimal) == value


@given(st.binary(max_size=400), st.sampled_from(["csv", "json", "xlsx"]))
def test_whatever_bytes_come_there_are_faults_with_sentences(raw: bytes, ending: str) -> None:
    """Never an exception."""
    assert_told(inspect(raw, kind(ending)))


@given(
    st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=6),
    st.sampled_from(["Xã;Hồ sơ;Tỷ lệ", "Xã,Hồ sơ,Tỷ lệ", ""]),
)
def test_whatever_text_stands_in_cells_faults_can_be_shown(
    rows: list[list[str]], header: str
) -> None:
    """Printable, and no longer than a line or two."""
    lines = [header, *(";".join(row) for row in rows)]
    assert_told(inspect("\n".join(lines).encode(errors="ignore"), kind()))


def assert_told(faults: tuple[DocumentFault, ...]) -> None:
    for each in faults:
        assert printable(each.vi) == each.vi
        assert printable(each.en) == each.en
        assert len(each.vi) < 300
