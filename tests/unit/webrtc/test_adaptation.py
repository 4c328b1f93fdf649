"""What a viewer is sent, by what gets through: a table of lines, and what holds for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.quality import ViewLevel
from gateway.webrtc.adaptation import (
    FIRST_BACKOFF_S,
    HOPELESS_BACKOFF_S,
    LONGEST_BACKOFF_S,
    PROVEN_S,
    SETTLE_S,
    Adaptation,
    LevelOption,
)
from gateway.webrtc.loss_meter import LossWindow

MAIN, SUB = ViewLevel.MAIN, ViewLevel.SUB
TRANSCODED, KEYFRAMES = ViewLevel.TRANSCODED, ViewLevel.KEYFRAMES
BOTH = (LevelOption(MAIN, 4e6), LevelOption(SUB, 1e6), LevelOption(KEYFRAMES))
ALONE = (LevelOption(MAIN, 4e6), LevelOption(KEYFRAMES))
ALL = (
    LevelOption(MAIN, 4e6),
    LevelOption(SUB, 1e6),
    LevelOption(TRANSCODED, 0.4e6),
    LevelOption(KEYFRAMES),
)


def window(loss: float, received_bps: float, *, expected: int = 200) -> LossWindow:
    return LossWindow(0.5, expected, round(loss * expected), received_bps)


@dataclass
class Viewer:
    """One viewer, who changes level as soon as that is wanted."""

    options: tuple[LevelOption, ...]
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.adaptation = Adaptation(self.options[0].level)
        self.sent = self.adaptation.top
        self.trials = 0

    def report(self, loss: float, received_bps: float, *, windows: int = 1) -> ViewLevel:
        """Let so many windows pass; return what is sent then."""
        for _ in range(windows):
            self.now_s += 0.5
            self.adaptation.on_window(window(loss, received_bps), self.options, self.now_s)
            self._change()
        return self.sent

    def wait(self, seconds: float) -> ViewLevel:
        """Let so much time pass without a window; return what is sent then."""
        for _ in range(round(seconds)):
            self.now_s += 1.0
            self.adaptation.on_tick(self.options, self.now_s)
            self._change()
        return self.sent

    def live_on(self, line_bps: float, seconds: float) -> ViewLevel:
        """Let a line of *line_bps* carry what it can for so long; return what is sent then."""
        for half in range(round(2 * seconds)):
            rate = next(each.bps for each in self.options if each.level is self.sent)
            sent_bps = rate or self.adaptation.estimate_bps or line_bps
            arrived_bps = min(sent_bps, line_bps)
            self.report(1 - arrived_bps / sent_bps, arrived_bps)
            if half % 2:
                self.adaptation.on_tick(self.options, self.now_s)
                self._change()
        return self.sent

    def _change(self) -> None:
        if self.sent is not self.adaptation.wanted:
            self.trials += list(ViewLevel).index(self.adaptation.wanted) < list(ViewLevel).index(
                self.sent
            )
            self.sent = self.adaptation.wanted
            self.adaptation.on_changed(self.sent, self.now_s)


@pytest.mark.parametrize(
    ("options", "line_bps", "level"),
    [
        (BOTH, 100e6, MAIN),
        (BOTH, 4e6, MAIN),
        (BOTH, 2.5e6, SUB),
        (BOTH, 1.1e6, SUB),
        (BOTH, 0.3e6, KEYFRAMES),
        (ALONE, 2.5e6, KEYFRAMES),
        (ALONE, 0.3e6, KEYFRAMES),
        (ALL, 2.5e6, SUB),
        (ALL, 0.6e6, TRANSCODED),
        (ALL, 0.1e6, KEYFRAMES),
        (BOTH[1:], 2.5e6, SUB),
        (BOTH[1:], 0.3e6, KEYFRAMES),
        ((LevelOption(MAIN, None), LevelOption(SUB, None), LevelOption(KEYFRAMES)), 2.5e6, MAIN),
    ],
)
def test_what_a_line_carries_is_sent(
    options: tuple[LevelOption, ...], line_bps: float, level: ViewLevel
) -> None:
    """Ten seconds after the viewer came, before any trial."""
    assert Viewer(options).live_on(line_bps, 10) is level


def test_heavy_loss_is_enough_once() -> None:
    """4 Mb/s over 2.5: the first window says so, and nothing more is sent until the sub-stream."""
    viewer = Viewer(BOTH)

    viewer.adaptation.on_window(window(0.38, 2.4e6), BOTH, 100.5)

    assert (viewer.adaptation.wanted, viewer.adaptation.urgent) == (SUB, True)
    assert viewer.adaptation.estimate_bps == 2.4e6


def test_clear_loss_must_come_twice() -> None:
    """A moment's loss is none of the line's width."""
    viewer = Viewer(BOTH)

    assert viewer.report(0.15, 3.4e6) is MAIN
    assert viewer.report(0.0, 4e6) is MAIN
    assert viewer.report(0.15, 3.4e6) is MAIN
    assert viewer.report(0.15, 3.4e6) is SUB


def test_five_percent_at_random_are_repaired_and_change_nothing() -> None:
    """Without a witness, light loss says nothing."""
    assert Viewer(BOTH).report(0.05, 3.8e6, windows=100) is MAIN


def test_light_loss_counts_when_the_viewer_says_that_the_line_is_full() -> None:
    """REMB below 0.85 of what is sent."""
    viewer = Viewer(BOTH)
    viewer.adaptation.on_remb(3_000_000)

    assert viewer.report(0.07, 3.7e6, windows=2) is SUB


def test_loss_does_not_count_while_as_much_arrives_as_the_stream_has() -> None:
    """A newcomer's GOP comes in a burst, of which a good line's queue may drop a half."""
    assert Viewer(BOTH).report(0.5, 9e6, windows=3) is MAIN


def test_a_moving_picture_with_repairs_is_better_than_keyframes() -> None:
    """Below the sub-stream there is nothing that moves."""
    assert Viewer(BOTH[1:]).report(0.14, 0.86e6, windows=10) is SUB


def test_reports_of_what_was_sent_before_a_change_do_not_count() -> None:
    """The queue in front of the line is still full of it."""
    viewer = Viewer(BOTH)
    viewer.report(0.4, 2.4e6)

    viewer.adaptation.on_window(window(0.9, 0.2e6), BOTH, viewer.now_s + SETTLE_S)

    assert viewer.adaptation.wanted is SUB


def test_it_goes_up_by_trial_and_waits_twice_as_long_after_each_that_fails() -> None:
    """The times of the trials, on a line that never gets better."""
    viewer, times_s = Viewer(BOTH), []
    for second in range(1000):
        before = viewer.trials
        viewer.live_on(2.5e6, 1)
        if viewer.trials > before:
            times_s.append(second)

    waits_s = [after - before for before, after in pairwise(times_s)]
    assert times_s[0] == pytest.approx(FIRST_BACKOFF_S, abs=2)
    assert waits_s == pytest.approx(
        [2 * FIRST_BACKOFF_S * 2**n for n in range(len(waits_s))], abs=5
    )
    assert len(times_s) >= 4


def test_a_trial_that_seems_hopeless_comes_later() -> None:
    """Of 1 Mb/s not a third has arrived."""
    viewer = Viewer(BOTH[1:])
    viewer.live_on(0.3e6, 3)

    assert viewer.live_on(0.3e6, HOPELESS_BACKOFF_S - 10) is KEYFRAMES
    assert viewer.trials == 0


def test_a_line_that_is_wide_again_gets_the_main_stream_back() -> None:
    """And after it has proven itself nothing is paced any more."""
    viewer = Viewer(BOTH)
    viewer.live_on(2.5e6, 5)

    assert viewer.live_on(20e6, FIRST_BACKOFF_S + PROVEN_S + 10) is MAIN
    assert viewer.adaptation.pace_bps(BOTH) is None


def test_the_pace_is_what_the_line_carries() -> None:
    """Or what a stream needs that is being tried: its keyframes are several times a picture."""
    viewer = Viewer(BOTH)
    assert viewer.adaptation.pace_bps(BOTH) is None
    viewer.report(0.4, 2.4e6)
    assert viewer.adaptation.pace_bps(BOTH) == 2.4e6

    viewer.adaptation.on_changed(MAIN, viewer.now_s)

    assert viewer.adaptation.pace_bps(BOTH) == 6e6


def test_a_level_that_is_gone_is_wanted_no_longer() -> None:
    """A sub-stream that the recorder does not give out."""
    viewer = Viewer(BOTH)
    viewer.report(0.4, 2.4e6)

    viewer.options = ALONE

    assert viewer.wait(1) is KEYFRAMES


def test_loss_while_a_better_stream_is_waited_for_calls_the_trial_off() -> None:
    """Its keyframe has not come yet; the line is full without it."""
    viewer = Viewer(BOTH)
    viewer.report(0.4, 2.4e6)
    adaptation = viewer.adaptation
    adaptation.on_tick(BOTH, viewer.now_s + FIRST_BACKOFF_S)
    assert adaptation.wanted is MAIN

    for _ in range(2):
        viewer.now_s += FIRST_BACKOFF_S
        adaptation.on_window(window(0.14, 0.9e6), BOTH, viewer.now_s)

    assert adaptation.wanted is SUB


@given(
    options=st.sampled_from([BOTH, ALONE, ALL, BOTH[1:], ALL[2:], BOTH[2:]]),
    events=st.lists(
        st.tuples(
            st.floats(0, 1), st.floats(0, 2e7), st.integers(0, 2000), st.integers(0, 10_000_000)
        ),
        max_size=60,
    ),
)
def test_whatever_is_reported(
    options: tuple[LevelOption, ...], events: list[tuple[float, float, int, int]]
) -> None:
    """What is wanted can be had, the pace is above zero, and the wait between trials bounded."""
    adaptation, now_s = Adaptation(options[0].level), 0.0
    for loss, received_bps, expected, remb in events:
        now_s += 0.5
        adaptation.on_remb(remb)
        adaptation.on_window(window(loss, received_bps, expected=expected), options, now_s)
        adaptation.on_tick(options, now_s)
        assert adaptation.wanted in [each.level for each in options]
        adaptation.on_changed(adaptation.wanted, now_s)
        pace_bps = adaptation.pace_bps(options)
        assert pace_bps is None or pace_bps > 0
    quiet_s = now_s + LONGEST_BACKOFF_S
    for step in range(1, len(options) + 1):
        adaptation.on_tick(options, quiet_s + step)
        adaptation.on_changed(adaptation.wanted, quiet_s + step)
    assert adaptation.wanted is not KEYFRAMES or options[0].level is KEYFRAMES


@given(loss=st.floats(0.3, 1), line_bps=st.floats(5e4, 3.5e6))
def test_trials_are_few(loss: float, line_bps: float) -> None:
    """At most five in ten minutes of a line that stays as bad as it is."""
    viewer = Viewer(ALONE)
    viewer.report(loss, line_bps)

    viewer.live_on(line_bps, 600)

    assert viewer.trials <= 5
