"""A monthly document that is missing or wrong is told before it is due, and more urgently after."""

from __future__ import annotations

import pytest

from gateway.alarms.document_rules import DAY_MS, document_findings
from gateway.model.alarm import Finding
from gateway.model.document_standing import DocumentStanding, DocumentState
from gateway.model.reasons import Reason


def findings(state: DocumentState, days: float) -> dict[str, Finding]:
    standing = DocumentStanding("chi-so", "2026-05", state, round(days * DAY_MS), "B2", 1)
    return {each.key: each for each in document_findings([standing], 0)}


@pytest.mark.parametrize(("days", "severity"), [(2.0, "warning"), (-0.1, "minor")])
def test_a_missing_document_is_told_from_the_first_day_on(days: float, severity: str) -> None:
    """With the month and the days that are left."""
    found = findings("missing", days)["doc.chi-so.missing"]

    assert (found.bad, found.cause, found.severity) == (True, Reason.DOCUMENT_MISSING, severity)
    assert found.arguments == {"month": "05/2026", "days": int(days // 1)}


def test_a_wrong_one_is_told_with_its_first_cell() -> None:
    """It is there, so that it is not missing."""
    found = findings("invalid", 2.0)

    assert found["doc.chi-so.wrong"].arguments["at"] == "B2"
    assert [each.bad for each in found.values()] == [False, True]


def test_one_that_is_under_way_has_until_it_is_due() -> None:
    """Then somebody looks why the centre does not answer."""
    assert findings("sending", 0.1)["doc.chi-so.missing"].bad is False
    assert findings("sending", 0.0)["doc.chi-so.missing"].bad is True


def test_one_that_is_kept_raises_nothing() -> None:
    """Nor does it after it was due."""
    assert not any(each.bad for each in findings("kept", -9).values())
