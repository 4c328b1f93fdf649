"""When an alarm is raised, changed and cleared; time is a number."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms.damping import change_percent
from gateway.alarms.state import MAX_ALARMS, AlarmState
from gateway.model.alarm import Alarm, AlarmTransition, Damping, Finding
from gateway.model.reasons import Reason

CHECK_S = 15.0
DAMPING = Damping()
KEY = "cam.c07.down"


class Rounds:
    """An `AlarmState` that is checked every 15 s, from second 1000 on."""

    def __init__(self, standing: Iterable[Alarm] = ()) -> None:
        numbers = count(1)
        self.state = AlarmState(DAMPING, new_id=lambda: f"id-{next(numbers)}", standing=standing)
        self.now_s = 1000.0
        self.transitions: list[tuple[float, AlarmTransition]] = []

    def check(self, *findings: Finding) -> list[str]:
        """One round; what it says, as ``act key``."""
        transitions = self.state.check(findings, self.now_s, round(self.now_s * 1000))
        self.transitions += [(self.now_s - 1000, turn) for turn in transitions]
        self.now_s += CHECK_S
        return [f"{turn.act} {turn.alarm.key}" for turn in transitions]

    def checks(self, pattern: str, key: str = KEY) -> list[tuple[float, str]]:
        """Rounds, one a character: ``b`` bad, ``g`` good, ``?`` unknown; what was said when."""
        said = []
        for message in pattern:
            at_s = self.now_s - 1000
            said += [(at_s, each.split()[0]) for each in self.check(finding(message, key))]
        return said


def finding(check: str, key: str = KEY, *parents: str) -> Finding:
    bad = {"b": True, "g": False, "?": None}[check]
    return Finding(key, bad, Reason.TIMEOUT, "major", {"cam": "c07"}, parents)


def test_three_failures_are_not_enough_before_45_seconds() -> None:
    """At 0, 15 and 30 s nothing; at 45 s the alarm, which began at 0."""
    rounds = Rounds()

    assert rounds.checks("bbbbb") == [(45.0, "raise")]
    assert rounds.transitions[0][1].alarm == Alarm(
        KEY, "id-1", True, "major", 1_000_000, Reason.TIMEOUT, {"cam": "c07"}
    )


def test_45_seconds_are_not_enough_before_three_failures() -> None:
    """Checks that come late do not count double."""
    rounds = Rounds()
    rounds.check(finding("b"))
    rounds.now_s += 60

    assert rounds.check(finding("b")) == []
    assert rounds.check(finding("b")) == ["raise cam.c07.down"]


def test_one_good_check_begins_the_count_anew() -> None:
    """Failures must be in a row."""
    assert Rounds().checks("bbbgbbb") == []


def test_it_is_cleared_after_two_good_minutes() -> None:
    """One failure in between begins them anew."""
    rounds = Rounds()
    rounds.checks("bbbb")

    assert rounds.checks("ggggggggbgggggggggg") == [(60.0 + 9 * 15 + 120, "clear")]
    assert not rounds.transitions[-1][1].alarm.raised
    assert rounds.transitions[-1][1].alarm.id == "id-1"


def test_a_check_that_could_not_be_made_says_nothing() -> None:
    """Neither towards raising nor towards clearing."""
    rounds = Rounds()

    assert rounds.checks("bb??????bb") == [(120.0, "raise")]
    assert rounds.checks("????????????????") == []
    assert KEY in rounds.state.standing


def test_what_is_watched_no_longer_is_cleared_at_once() -> None:
    """A camera that was taken out or paused has no alarm."""
    rounds = Rounds()
    rounds.checks("bbbb")

    assert rounds.check() == ["clear cam.c07.down"]
    assert rounds.state.standing == {}


def test_what_comes_and_goes_is_one_alarm_that_says_so() -> None:
    """Twenty minutes of 30 s down and 30 s up: one raise, and one clear when it is calm."""
    rounds = Rounds()
    said = rounds.checks("bbgg" * 20)
    alarm = rounds.state.standing[KEY]

    assert [act for _, act in said] == ["raise"]
    assert alarm.flapping
    assert alarm.changes >= 30

    assert [act for _, act in rounds.checks("g" * 30)] == ["clear"]


def test_a_standing_alarm_begins_to_flap() -> None:
    """The same alarm is told again with its mark, and no clear comes in between."""
    rounds = Rounds()
    rounds.checks("bbbb")

    said = rounds.checks("gb" * 20)

    assert [act for _, act in said] == ["change"]
    assert rounds.transitions[-1][1].alarm.flapping
    assert rounds.transitions[-1][1].alarm.id == "id-1"


@pytest.mark.parametrize(
    ("changes", "low", "high"), [(0, 0, 0), (1, 4, 6), (6, 24, 36), (20, 99.9, 100.1)]
)
def test_newer_changes_weigh_more(changes: int, low: float, high: float) -> None:
    """Of 21 checks 20 can be changes; a change weighs from 0.8 to 1.2 of a twentieth."""
    calm = [False] * (21 - changes)
    newest = [number % 2 == 0 for number in range(changes)]

    assert low <= change_percent((*calm, *newest)) <= high
    if 0 < changes < 20:
        oldest = tuple(reversed((*calm, *newest)))
        assert change_percent(oldest) < change_percent((*calm, *newest))


def test_what_is_explained_is_not_raised() -> None:
    """One alarm for the recorder, none for its cameras, from the moment it is suspected."""
    rounds = Rounds()
    said = []
    for _ in range(20):
        said += rounds.check(
            finding("b", "cam.c01.down", "nvr.nvr1.down"),
            finding("b", "cam.c02.down", "nvr.nvr1.down"),
            finding("b", "nvr.nvr1.down"),
        )

    assert said == ["raise nvr.nvr1.down"]


def test_what_was_quicker_names_its_parent_and_not_before_that_stands() -> None:
    """A camera raised before its recorder is told again, once, with the explanation."""
    rounds = Rounds()
    camera = finding("b", "cam.c01.down", "nvr.nvr1.down")
    for _ in range(4):
        rounds.check(camera, finding("g", "nvr.nvr1.down"))
    said = [rounds.check(camera, finding("b", "nvr.nvr1.down")) for _ in range(5)]

    assert said == [[], [], [], ["raise nvr.nvr1.down", "change cam.c01.down"], []]
    assert rounds.transitions[-1][1].alarm.parent == "nvr.nvr1.down"


def test_what_is_left_when_the_parent_is_well_is_raised_by_its_own_time() -> None:
    """The recorder is back, one camera is not: 45 s later it has an alarm of its own."""
    rounds = Rounds()
    camera = "cam.c01.down"
    for _ in range(6):
        rounds.check(finding("b", camera, "nvr.nvr1.down"), finding("b", "nvr.nvr1.down"))
    said = [
        rounds.check(finding("b", camera, "nvr.nvr1.down"), finding("g", "nvr.nvr1.down"))
        for _ in range(4)
    ]

    assert said == [[], [], [], ["raise cam.c01.down"]]


def test_alarms_outlive_a_restart() -> None:
    """What stood stands under its id; it is cleared by good checks, not by having restarted."""
    standing = Alarm(KEY, "before", True, "major", 5, Reason.TIMEOUT)
    rounds = Rounds([standing])

    assert rounds.checks("??gggggggg") == []
    assert rounds.checks("g") == [(150.0, "clear")]
    assert rounds.transitions[0][1].alarm.id == "before"


def test_another_cause_is_told_when_it_stays() -> None:
    """A camera that says now this, now that, is not told each time."""
    rounds = Rounds()
    rounds.checks("bbbb")
    other = Finding(KEY, True, Reason.UNREACHABLE, "major")

    first = [rounds.check(other), rounds.check(finding("b")), rounds.check(other)]
    then = [rounds.check(other), rounds.check(other)]

    assert first == [[], [], []]
    assert then == [[], ["change cam.c07.down"]]


def test_tracked_alarms_are_bounded() -> None:
    """However much goes wrong, what is remembered is bounded."""
    rounds = Rounds()
    for _ in range(5):
        rounds.check(*(finding("b", f"cam.c{number}.down") for number in range(2 * MAX_ALARMS)))

    assert len(rounds.state.standing) == MAX_ALARMS


@given(st.text("bg?", max_size=120))
def test_raise_and_clear_take_turns_and_have_their_reasons(pattern: str) -> None:
    """Whatever the checks say: turns alternate, and each is preceded by what it needs."""
    rounds = Rounds()
    rounds.checks(pattern)
    acts = [turn.act for _, turn in rounds.transitions if turn.act != "change"]

    assert acts == [("raise", "clear")[number % 2] for number in range(len(acts))]
    for at_s, turn in rounds.transitions:
        before = pattern[: round(at_s / CHECK_S) + 1].replace("?", "")
        if turn.act == "raise" and not turn.alarm.flapping:
            assert before.endswith("bbb")
        if turn.act == "clear":
            assert before.endswith("g")
            assert turn.alarm.id


@given(st.text("bg?", max_size=80))
def test_enough_good_checks_end_everything(pattern: str) -> None:
    """After ten quiet minutes nothing stands and nothing is remembered."""
    rounds = Rounds()
    rounds.checks(pattern + "g" * 40)

    assert rounds.state.standing == {}
    assert rounds.state.tracked == 0
