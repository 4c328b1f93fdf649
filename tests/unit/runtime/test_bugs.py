"""A bug that is contained is counted each time and logged once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.runtime import bugs
from gateway.runtime.bugs import BugCounts, bug_counts, contained, last_bug, place_of, report_bug


def raised(text: str = "unexpected") -> Exception:
    """An exception with a traceback, always from the same line."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_every_bug_is_counted_by_what_it_has_ended(contained_bugs: BugCounts) -> None:
    """Of a session, twice, and of a camera."""
    for boundary in ("session", "session", "camera"):
        report_bug(boundary, raised())

    assert dict(bug_counts()) == {"session": 2, "camera": 1}
    assert contained_bugs.counts["session"] == 2


@pytest.mark.usefixtures("contained_bugs")
def test_the_same_place_in_the_code_is_logged_once() -> None:
    """A stranger who can repeat it fills no disk, whatever it says each time."""
    with capture_logs() as lines:
        for number in range(1000):
            report_bug("message", raised(f"attempt {number}"), "v-one")

    assert [line["event"] for line in lines] == ["bug_contained"]
    assert lines[0]["subject"] == "v-one"


@pytest.mark.usefixtures("contained_bugs")
def test_after_an_hour_it_is_logged_with_how_often_it_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a bug that stays is not forgotten."""
    with capture_logs() as lines:
        for _ in range(3):
            report_bug("message", raised())
        monkeypatch.setattr(bugs, "LOG_EVERY_S", 0.0)
        report_bug("message", raised())

    assert [line["unlogged"] for line in lines] == [0, 2]


def test_places_are_bounded(contained_bugs: BugCounts) -> None:
    """Whoever finds many bugs fills no memory either."""
    for number in range(200):
        report_bug("message", type(f"Error{number}", (Exception,), {})())

    assert len(contained_bugs._places) == bugs.MAX_PLACES


def test_of_a_group_the_first_error_is_named() -> None:
    """A task group wraps what its tasks raise."""
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [raised()])])

    assert place_of(group).startswith("ValueError test_bugs.py:")


@pytest.mark.usefixtures("contained_bugs")
def test_the_last_bug_is_known() -> None:
    """For the alarm; None before the first."""
    assert last_bug() is None

    report_bug("camera", raised(), "c01/main")

    last = last_bug()
    assert last is not None
    assert last[0].startswith("camera: ValueError test_bugs.py:")


def test_a_bug_in_one_greeting_leaves_the_others(contained_bugs: BugCounts) -> None:
    """What was made before it is sent, and what others have made."""

    def half() -> Iterator[int]:
        yield 1
        raise RuntimeError("a bug in a report")

    assert [*contained(half(), "alarms"), *contained(iter((2, 3)), "birth")] == [1, 2, 3]
    assert contained_bugs.counts == {"report": 1}
