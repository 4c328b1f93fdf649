"""The base of every document from a file or the wire, and mistakes between the parts of one.

Unknown keys are an error: a typo must not silently mean the default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict
from pydantic_core import InitErrorDetails, PydanticCustomError


class Document(BaseModel):
    """Base of everything that comes from a file or the wire."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=False, defer_build=True
    )


def mistake(code: str, message: str, at: tuple[str | int, ...], given: object) -> InitErrorDetails:
    """Return what is wrong with *given* at *at*, for a ValidationError."""
    return InitErrorDetails(type=PydanticCustomError(code, message), loc=at, input=given)


def repeats(values: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield for each of *values* that stood before: its index, and that of the first."""
    first: dict[object, int] = {}
    for index, value in enumerate(values):
        before = first.setdefault(value, index)
        if before != index:
            yield index, before


def repeated(field: str, key: str, values: Sequence[str]) -> Iterator[InitErrorDetails]:
    """Yield a mistake for each of *values*, the *key* of each item of *field*, seen before."""
    for index, before in repeats(values):
        yield InitErrorDetails(
            type=PydanticCustomError(
                "duplicate",
                "{value} is already used by {field}/{before}",
                {"value": values[index], "field": field, "before": before},
            ),
            loc=(field, index, key),
            input=values[index],
        )
