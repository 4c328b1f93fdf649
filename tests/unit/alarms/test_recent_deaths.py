"""Children that die again and again are told, one that dies once is not."""

from __future__ import annotations

from gateway.alarms.recent_deaths import DEATHS, WITHIN_S, RecentDeaths
from gateway.model.health import ChildDeaths


def told(*numbers: tuple[float, int]) -> list[bool | None]:
    """Whether the alarm stands after each look: when, and how many slates' children had died."""
    recent = RecentDeaths()
    return [
        recent.finding(ChildDeaths(slate_deaths=number), now_s).bad for now_s, number in numbers
    ]


def test_a_child_that_dies_again_and_again_is_told_until_it_lives() -> None:
    """Not for what died before the first look, nor for less than `DEATHS`."""
    assert told((0.0, 9), (1.0, 8 + DEATHS), (2.0, 9 + DEATHS), (2.0 + WITHIN_S, 9 + DEATHS)) == [
        False,
        False,
        True,
        False,
    ]


def test_it_is_told_which_child_and_how_often() -> None:
    """Of two kinds the one that dies more."""
    recent = RecentDeaths()
    recent.finding(ChildDeaths(), 0.0)
    finding = recent.finding(ChildDeaths(decoder_deaths=3, slate_deaths=4), 1.0)

    assert finding.key == "program.child"
    assert finding.arguments == {"child": "slates", "count": 4}


def test_a_count_that_begins_anew_is_no_death() -> None:
    """A camera's transcodes are counted anew with its configuration."""
    assert told((0.0, 9), (1.0, 0), (2.0, 2)) == [False, False, False]
