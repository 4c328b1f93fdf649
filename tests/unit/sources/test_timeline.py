"""Stamps of cameras, good and bad, onto one growing timeline."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model.media import SourceCounters
from gateway.sources.timeline import HELD_BACK, Timeline

TICKS = 3_600  # 25 pictures a second
DAY = 86_400 * 90_000


class Stamper:
    """A timeline whose clock goes with the pictures: 40 ms each."""

    def __init__(self) -> None:
        self.counters = SourceCounters()
        self.timeline = Timeline(self.counters)
        self.now_s = 1_000.0

    def __call__(self, *rtp_times: int) -> list[int]:
        stamps = []
        for rtp_time in rtp_times:
            self.now_s += 0.04
            stamps.append(self.timeline.to_time_90k(rtp_time % 2**32, self.now_s))
        return stamps


def steady(start: int, count: int) -> list[int]:
    return [start + TICKS * n for n in range(count)]


def test_differences_are_kept() -> None:
    """A good camera's pictures keep their distances, to the tick."""
    assert Stamper()(5_000, 8_600, 12_201, 15_800) == [0, 3_600, 7_201, 10_800]


def test_a_wrap_is_nothing() -> None:
    """RTP time ends after 13 hours and begins again at 0."""
    stamp = Stamper()

    assert stamp(*steady(2**32 - 2 * TICKS, 5)) == steady(0, 5)
    assert stamp.counters.jumps == 0


@pytest.mark.parametrize("jump_s", [-9_800, 37_600, 6, -6, 23_000])
def test_one_displaced_picture_disturbs_no_other(jump_s: int) -> None:
    """It comes one tick after its predecessor; all others keep their time."""
    stamp = Stamper()
    times = steady(123_456, 10)
    times[5] += jump_s * 90_000

    assert stamp(*times) == [*steady(0, 5), 4 * TICKS + 1, *steady(0, 10)[6:]]
    assert stamp.counters.jumps == 1


@pytest.mark.parametrize("jump_s", [-9_800, 37_600])
def test_a_lasting_jump_is_a_new_timeline_at_the_third(jump_s: int) -> None:
    """Two pictures wait for the third to agree; from it on, time goes as the clock goes."""
    stamp = Stamper()
    stamp(*steady(0, 10))

    after = stamp(*steady(jump_s * 90_000, 10))

    assert after[:2] == [9 * TICKS + 1, 9 * TICKS + 2]
    assert after[2] == pytest.approx(12 * TICKS, abs=2)
    assert [later - after[2] for later in after[2:]] == steady(0, 8)
    assert stamp.counters.jumps == 1


def test_strays_that_do_not_agree_are_no_timeline() -> None:
    """Three pictures at three far places, then the camera as before."""
    stamp = Stamper()
    stamp(*steady(0, 3))

    assert stamp(10 * DAY // 9, 20 * DAY // 7, DAY // 3) == [7_201, 7_202, 7_203]
    assert stamp(6 * TICKS, 7 * TICKS) == [6 * TICKS, 7 * TICKS]


def test_equal_stamps_are_a_tick_apart() -> None:
    """Two pictures of one time are both shown."""
    assert Stamper()(0, TICKS, TICKS, 2 * TICKS) == [0, TICKS, TICKS + 1, 2 * TICKS]


def test_b_frames_are_counted_and_do_not_move_the_others() -> None:
    """Decoding order I P B B P B B: the P pictures keep their time, each first B counts."""
    stamp = Stamper()

    stamps = stamp(*(TICKS * n for n in (0, 3, 1, 2, 6, 4, 5, 9)))

    assert [stamps[n] for n in (0, 1, 4, 7)] == [0, 3 * TICKS, 6 * TICKS, 9 * TICKS]
    assert stamp.counters.backward == 2
    assert stamp.counters.jumps == 0


def test_b_frames_know_when_they_are_shown() -> None:
    """Each picture's own time is its time less what it is early."""
    timeline = Timeline(SourceCounters())
    order = (0, 3, 1, 2, 6, 4, 5, 9, 7, 8)
    shown = []
    for index, number in enumerate(order):
        time_90k = timeline.to_time_90k(5_000 + number * TICKS, index / 25)
        shown.append(time_90k - timeline.early_90k)

    assert shown == [number * TICKS for number in order]


def test_a_clock_set_back_a_little_is_a_new_timeline() -> None:
    """Two seconds back: whatever is tried first, `HELD_BACK` pictures later time goes on."""
    stamp = Stamper()
    stamp(*steady(0, 100))

    after = stamp(*steady(50 * TICKS, 40))

    assert after[HELD_BACK - 1] == pytest.approx((99 + HELD_BACK) * TICKS, abs=2)
    assert after[-1] == pytest.approx(139 * TICKS, abs=2)


@pytest.mark.parametrize("back", [14, 30, 100])
def test_a_clock_set_back_further_than_any_b_frame_costs_two_pictures(back: int) -> None:
    """A recorder that begins anew for every viewer: the third picture is in time again."""
    stamp = Stamper()
    stamp(*steady(0, 110))

    after = stamp(*steady((109 - back) * TICKS, 10))

    assert after[2] == pytest.approx(112 * TICKS, abs=2)
    assert [later - after[2] for later in after[2:]] == steady(0, 8)


def test_a_slow_camera_does_not_jump() -> None:
    """A picture every ten seconds is ten seconds later, not displaced."""
    timeline = Timeline(SourceCounters())

    stamps = [timeline.to_time_90k(n * 900_000, n * 10.0) for n in range(5)]

    assert stamps == [n * 900_000 for n in range(5)]


def test_a_new_session_goes_on_by_the_clock() -> None:
    """RTP time starts anywhere after a reconnect; the output is as much later as time passed."""
    stamp = Stamper()
    stamp(*steady(0, 3))
    stamp.timeline.begin_session()
    stamp.now_s += 7.96

    stamps = stamp(*steady(4_000_000_000, 3))

    assert stamps[0] == pytest.approx(2 * TICKS + 8 * 90_000, abs=2)
    assert [later - stamps[0] for later in stamps] == steady(0, 3)


WILD = st.lists(
    st.one_of(
        st.tuples(st.just(True), st.integers(0, 2**32 - 1), st.floats(-1e6, 1e6)),
        st.tuples(st.booleans(), st.integers(0, 100 * TICKS), st.floats(0, 1)),
    )
)


@given(WILD)
@example([(False, 0, 0.0)] * 40)
def test_output_grows_whatever_comes(pictures: list[tuple[bool, int, float]]) -> None:
    """Any stamps, any clock, sessions in between: strictly growing."""
    timeline, stamps = Timeline(SourceCounters()), []

    for fresh, rtp_time, now_s in pictures:
        if fresh and rtp_time % 5 == 0:
            timeline.begin_session()
        stamps.append(timeline.to_time_90k(rtp_time, now_s))

    assert stamps == sorted(set(stamps))


@given(
    start=st.integers(0, 2**32 - 1),
    at=st.integers(1, 19),
    displaced=st.integers(0, 2**32 - 1),
)
def test_any_single_far_stamp_leaves_the_rest(start: int, at: int, displaced: int) -> None:
    """Wherever it points, more than the jump's width away: the others are as without it."""
    times = steady(start, 20)
    away = (displaced - times[at - 1] + 2**31) % 2**32 - 2**31
    if abs(away) < 6 * 90_000:
        displaced += 12 * 90_000
    times[at] = displaced

    stamps = Stamper()(*times)

    assert stamps[:at] + stamps[at + 1 :] == steady(0, at) + steady(0, 20)[at + 1 :]
