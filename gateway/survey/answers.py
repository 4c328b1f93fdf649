"""The answers of one site: every field of the form, its values, who says so, and what disagrees.

What an exported file holds, and what a merge reads of files that others have made. It is all text:
how an answer follows from the inventory is in `gateway.survey.fill`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from gateway.model.contacts import ContactConfig
from gateway.model.document import Document, repeated
from gateway.model.names import GatewayId, ProvinceCode
from gateway.model.provinces import ProvinceScheme, province_name, province_today
from gateway.model.survey import SystemSurvey
from gateway.survey.form import CONTACTS, QUESTIONS, SYSTEMS, Number

Source = Literal["declared", "detected", "measured"]

SOURCES: Mapping[Source, str] = {
    "declared": "khai báo",
    "detected": "phát hiện",
    "measured": "đo được",
}
"""Source -> how the form names it. Said by people (the survey, or the site's configuration); asked
of a device, or found in the network; observed by the gateway of its streams and lines."""

MISSING = "chưa có / missing"
"""What stands in a field that nobody has filled."""

ITEMS = 600
"""Of one answer, at most: a site has 512 cameras and 64 recorders."""

LAST_MS = 253_402_300_799_999
"""The end of the year 9999."""

TimeMs = Annotated[int, Field(ge=0, le=LAST_MS)]
"""Wall clock, ms since 1970."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class Item(Document):
    """One value of an answer.

    Attributes:
        label: For people.
        count: How many there are of it; None: it is not counted.
    """

    label: Label
    count: Annotated[int, Field(ge=0, le=100_000_000)] | None = None

    def __str__(self) -> str:
        return self.label if self.count is None else f"{self.label} ({self.count})"


class Said(Document):
    """What one source says.

    Attributes:
        source: Which.
        items: At least one.
        time_ms: Since when it has been so, wall clock; None: not known.
    """

    source: Source
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=ITEMS)]
    time_ms: TimeMs | None = None

    @property
    def text(self) -> str:
        """All of it, on one line."""
        return "; ".join(map(str, self.items))


class Answer(Document):
    """One field of part II.

    Attributes:
        number: Its place in the form.
        said: By each source that says something; empty: the field is missing.
        mismatch: In which way they disagree, in Vietnamese; empty: they do not.
    """

    number: Number
    said: Annotated[tuple[Said, ...], Field(max_length=4)] = ()
    mismatch: Annotated[str, StringConstraints(max_length=2000)] = ""

    @property
    def missing(self) -> bool:
        """Whether nobody says anything."""
        return not self.said

    @property
    def text(self) -> str:
        """What stands in the form: a line for each source, which is named where there are several.

        The counts of cameras are one line: ``khai báo 12 / kết nối được 10 / có hình 9``.
        """
        if self.missing:
            return MISSING
        if self.number == "II.I.4":
            counts = (item for said in self.said for item in said.items)
            return " / ".join(f"{each.label} {each.count}" for each in counts)
        if len(self.said) == 1:
            return self.said[0].text
        return "\n".join(f"{SOURCES[said.source]}: {said.text}" for said in self.said)


class SiteForm(Document):
    """The form of one site.

    Attributes:
        form: Which form, and `version` of how it is written here.
        version: See `form`.
        made_ms: When it was filled, wall clock.
        province: Two digits of the list `scheme`.
        scheme: Which list that is.
        former_province: Two digits of the 63 provinces before July 2025; None: not known.
        gateway: Id of the gateway, or a name of the same form where there is none.
        name: Of the site.
        contacts: Part I; None: it is kept apart and did not come along.
        answers: Part II.
        systems: Part III.
    """

    form: Literal["10362/VPCP-KSTT"]
    version: Literal[1] = 1
    made_ms: TimeMs = 0
    province: ProvinceCode
    scheme: ProvinceScheme = "vn-2025"
    former_province: ProvinceCode | None = None
    gateway: GatewayId
    name: Annotated[str, StringConstraints(max_length=300)] = ""
    contacts: Annotated[tuple[ContactConfig, ...], Field(max_length=64)] | None = None
    answers: Annotated[tuple[Answer, ...], Field(max_length=len(QUESTIONS))] = ()
    systems: Annotated[tuple[SystemSurvey, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _answers_each_question_once(self) -> Self:
        if twice := list(repeated("answers", "number", [each.number for each in self.answers])):
            raise ValidationError.from_exception_data("form", twice)
        return self

    @property
    def province_today(self) -> str:
        """Code of the province as it is since July 2025."""
        return province_today(self.province, self.scheme)

    @property
    def province_name(self) -> str:
        """Name of the province as its code says; the code where that is unknown."""
        return province_name(self.province, self.scheme) or self.province

    def answer(self, number: Number) -> Answer:
        """Return the answer to the question *number*; an empty one where there is none."""
        return next((each for each in self.answers if each.number == number), Answer(number=number))

    @property
    def missing(self) -> tuple[str, ...]:
        """Fields that nobody has filled, in the form's order: ``I``, those of part II, ``III``.

        Part I is not asked for where it is kept apart.
        """
        first = (CONTACTS,) if self.contacts == () else ()
        second = tuple(number for number in QUESTIONS if self.answer(number).missing)
        return (*first, *second, *(() if self.systems else (SYSTEMS,)))

    @property
    def fields(self) -> int:
        """How many fields the form has: those of part II, and a part each for I and III."""
        return len(QUESTIONS) + 1 + (self.contacts is not None)

    @property
    def filled(self) -> int:
        """How many of them are filled."""
        return self.fields - len(self.missing)
