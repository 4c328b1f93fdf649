"""What ``--check`` says of what it has seen."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo.browser_check import line, plays, summary

BEFORE = {"frames_decoded": 10}
AFTER: dict[str, Any] = {
    "connected_ms": 41.26,
    "first_frame_ms": 63.04,
    "frames_decoded": 760,
    "frames_dropped": 2,
    "freeze_count": 0,
    "state": "live",
}


def test_a_line_holds_what_an_operator_saw() -> None:
    """Pictures per second are those of the watching, not of the burst before it."""
    assert line("quay1", BEFORE, AFTER, 30.0) == {
        "camera": "quay1",
        "connected_ms": 41.3,
        "first_frame_ms": 63.0,
        "fps": 25.0,
        "frames_decoded": 760,
        "frames_dropped": 2,
        "freezes": 0,
        "state": "live",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_frame_ms": None},
        {"connected_ms": None},
        {"state": "lost"},
        {"frames_decoded": 100},
    ],
)
def test_what_does_not_play(wrong: dict[str, Any]) -> None:
    """Never begun, ended, or stuttering."""
    assert plays(line("quay1", BEFORE, AFTER, 30.0))
    assert not plays(line("quay1", BEFORE, AFTER | wrong, 30.0))


def test_percentiles_of_many_viewings() -> None:
    """Those that never came are counted apart."""
    said = summary([*map(float, range(1, 101)), None])

    assert (said["viewings"], said["never"]) == (101, 1)
    assert said["first_frame_ms"] == {"p50": 50.5, "p95": 95.0, "max": 100.0}


@pytest.mark.parametrize("firsts", [[], [None], [7.0]])
def test_percentiles_of_few(firsts: list[float | None]) -> None:
    """One viewing is its own percentile, none has none."""
    p95 = summary(firsts)["first_frame_ms"]["p95"]

    assert p95 == (7.0 if firsts == [7.0] else None)
