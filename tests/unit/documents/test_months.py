"""Months and due dates are Viet Nam's."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.documents.months import due_ms, past_months
from gateway.model.local_time import VIETNAM


def ms(*moment: int) -> int:
    return round(dt.datetime(*moment, tzinfo=VIETNAM).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("now", "months"),
    [
        ((2026, 6, 1), ("2026-05", "2026-04", "2026-03")),
        ((2026, 5, 31, 23, 59), ("2026-04", "2026-03", "2026-02")),
        ((2026, 1, 2), ("2025-12", "2025-11", "2025-10")),
    ],
)
def test_a_month_is_over_as_the_next_begins_here(
    now: tuple[int, ...], months: tuple[str, ...]
) -> None:
    """Seven hours before it does so in Greenwich."""
    assert past_months(ms(*now)) == months


def test_a_document_is_due_before_its_day_of_the_next_month() -> None:
    """Also over the turn of the year."""
    assert due_ms("2026-05", 3) == ms(2026, 6, 3)
    assert due_ms("2025-12", 3) == ms(2026, 1, 3)
