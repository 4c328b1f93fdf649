"""What a monthly document must look like: its file's name, its columns and what stands in them.

Box and centre read the same table, ``[[documents.kinds]]``: the box checks before it sends, the
centre checks again. Which indicators there are is said there and nowhere in the program.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.model.document import Document, mistake, repeated

DOCUMENT_BYTES = 2_097_152
"""The largest file that is taken. A table of 5,000 communes with 30 figures has 1 MB as CSV."""

MOST_KINDS, MOST_COLUMNS = 32, 64

ColumnType = Literal["text", "integer", "number", "date"]
Format = Literal["xlsx", "csv", "json"]

DocumentKindId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_FILE = re.compile(r"[^/\\\x00-\x1f\x7f]{1,120}\.(xlsx|csv|json)")


def plain_key(text: str) -> str:
    """Return *text*, a column's name, as it is compared: NFC, single spaces, none around it."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _key(text: str) -> str:
    found = plain_key(text)
    if not found or not found.isprintable():
        raise PydanticCustomError("document.key", "a column needs a name that can be read")
    return found


ColumnKey = Annotated[str, Field(max_length=100), AfterValidator(_key)]


class Column(Document):
    """``[[documents.kinds.columns]]``: a column of a sheet or of CSV, a key of JSON.

    Attributes:
        key: Its name, as it stands in the first row.
        type: What stands in its cells. Dates are ``31/12/2026`` or ``2026-12-31``.
        unit: For people.
        required: Whether each row must have it.
        min: The least figure.
        max: The greatest figure.
        max_chars: Of a text.
    """

    key: ColumnKey
    type: ColumnType
    unit: Annotated[str, Field(max_length=40)] = ""
    required: bool = True
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    max: Annotated[float, Field(allow_inf_nan=False)] | None = None
    max_chars: Annotated[int, Field(ge=1, le=2000)] = 200

    @model_validator(mode="after")
    def _has_a_range_of_figures(self) -> Self:
        if self.type not in ("integer", "number") and (
            self.min is not None or self.max is not None
        ):
            message = "only integer and number have min and max"
            raise PydanticCustomError("document.range", message)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PydanticCustomError("document.range", "min is greater than max")
        return self


class DocumentKind(Document):
    """``[[documents.kinds]]``: one document that is due each month.

    Attributes:
        id: Stable; stands in alarms and at the centre.
        name: For people.
        file: Name of its file, with ``{yyyy}`` and ``{mm}`` for the month that it tells of; its
            ending says what it is.
        due_day: Of the month after, Viet Nam's time: before that day it must be there.
        decimal: What stands before the fraction where a figure is written as text.
        sheet: Of a workbook; empty: the first.
        min_rows: So many rows it must have at least.
        max_rows: And so many at most.
        columns: What each row has.
    """

    id: DocumentKindId
    name: Annotated[str, Field(min_length=1, max_length=200)]
    file: Annotated[str, Field(max_length=130)]
    due_day: Annotated[int, Field(ge=2, le=28)] = 3
    decimal: Literal[",", "."] = ","
    sheet: Annotated[str, Field(max_length=31)] = ""
    min_rows: Annotated[int, Field(ge=1, le=5000)] = 1
    max_rows: Annotated[int, Field(ge=1, le=5000)] = 5000
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=MOST_COLUMNS)]

    @property
    def format(self) -> Format:
        """What the file is, by its ending."""
        ending = self.file.rpartition(".")[2]
        return "xlsx" if ending == "xlsx" else "csv" if ending == "csv" else "json"

    def month_in(self, name: str) -> str | None:
        """Return the month, as ``2026-05``, of which a file called *name* tells; None: of none."""
        pattern = re.escape(unicodedata.normalize("NFC", self.file))
        pattern = pattern.replace(r"\{yyyy\}", "(?P<y>20[0-9]{2})")
        pattern = pattern.replace(r"\{mm\}", "(?P<m>0[1-9]|1[0-2])")
        match = re.fullmatch(pattern, unicodedata.normalize("NFC", name))
        return None if match is None else f"{match['y']}-{match['m']}"

    def file_of(self, month: str) -> str:
        """Return the name of the file of *month*, as ``2026-05``."""
        year, _, number = month.partition("-")
        return self.file.replace("{yyyy}", year).replace("{mm}", number)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mistakes: list[InitErrorDetails] = []
        if not _FILE.fullmatch(self.file):
            message = "a file's name without a folder, ending in .xlsx, .csv or .json"
            mistakes.append(mistake("document.file", message, ("file",), self.file))
        elif self.file.count("{yyyy}") != 1 or self.file.count("{mm}") != 1:
            message = "it must hold {yyyy} and {mm} once each, e.g. chi-so-{yyyy}-{mm}.xlsx"
            mistakes.append(mistake("document.month", message, ("file",), self.file))
        if self.min_rows > self.max_rows:
            message = "min_rows is greater than max_rows"
            mistakes.append(mistake("document.rows", message, ("min_rows",), self.min_rows))
        keys = [each.key.casefold() for each in self.columns]
        mistakes += repeated("columns", "key", keys)
        if mistakes:
            raise ValidationError.from_exception_data("documents", mistakes)
        return self


DocumentKinds = Annotated[tuple[DocumentKind, ...], Field(max_length=MOST_KINDS)]


def kind_mistakes(kinds: tuple[DocumentKind, ...]) -> list[InitErrorDetails]:
    """Return what is wrong between *kinds*: an id, or a file, that two of them have."""
    return list(
        chain(
            repeated("kinds", "id", [each.id for each in kinds]),
            repeated("kinds", "file", [each.file.casefold() for each in kinds]),
        )
    )
