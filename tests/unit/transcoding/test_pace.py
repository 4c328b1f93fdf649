"""What a child leaves out when it is late, and when it takes it up again."""

from __future__ import annotations

from gateway.transcoding.pace import (
    CATCH_UP_S,
    DROP_S,
    LONGEST_RETRY_S,
    RETRY_S,
    SKIP_S,
    Pace,
    Verdict,
)

ENCODE, DECODE, DROP = Verdict.ENCODE, Verdict.DECODE, Verdict.DROP


class PacedStream:
    """A pace that is asked picture by picture, 25 a second, a keyframe every 50."""

    def __init__(self, fps: float = 25.0, *, camera_fps: int = 25) -> None:
        self.pace = Pace(fps)
        self.index = 0
        self.camera_fps = camera_fps

    def next(self, late_s: float = 0.0, *, cached: bool = False) -> Verdict:
        at, self.index = self.index, self.index + 1
        verdict = self.pace.judge(
            keyframe=at % 50 == 0, cached=cached, late_s=late_s, now_s=at / self.camera_fps
        )
        if verdict is ENCODE and not self.pace.is_due(at * 90_000 // self.camera_fps):
            return DECODE
        return verdict

    def many(self, count: int, late_s: float = 0.0) -> list[Verdict]:
        return [self.next(late_s) for _ in range(count)]


def test_all_is_encoded_while_nothing_is_late() -> None:
    """At the camera's rate, or below it."""
    assert set(PacedStream().many(500)) == {ENCODE}
    assert set(PacedStream(30).many(500)) == {ENCODE}


def test_no_more_pictures_are_encoded_than_configured() -> None:
    """Whatever the camera sends: a thousand a second, too."""
    assert PacedStream(25, camera_fps=50).many(500).count(ENCODE) == 250
    assert PacedStream(25, camera_fps=1000).many(4000).count(ENCODE) in range(95, 106)
    assert PacedStream(25, camera_fps=30).many(600).count(ENCODE) in range(480, 520)


def test_of_the_cached_gop_one_picture_is_encoded() -> None:
    """The rest only so that the live ones can be decoded."""
    child = PacedStream()
    assert [child.next(9.0, cached=True) for _ in range(40)] == [ENCODE] + [DECODE] * 39
    assert child.next(CATCH_UP_S - 0.5) is DECODE  # it came while those were decoded
    assert child.next() is ENCODE
    assert child.pace.divisor == 1


def test_who_is_a_little_late_leaves_out_encoding() -> None:
    """Nothing is dropped by that, and the rate stays."""
    child = PacedStream()
    child.many(10)
    assert child.many(3, SKIP_S + 0.1) == [DECODE] * 3
    assert child.next() is ENCODE
    assert (child.pace.divisor, child.pace.dropped) == (1, 0)


def test_who_never_catches_up_shows_one_picture_of_five() -> None:
    """Rather than none."""
    stream = PacedStream()
    stream.many(10)
    assert stream.many(100, 0.5).count(ENCODE) == 20


def test_who_is_late_goes_on_at_the_next_keyframe_at_half_the_rate() -> None:
    """All before it is thrown away unread."""
    child = PacedStream()
    child.many(10)
    assert child.next(DROP_S + 0.1) is DROP
    assert set(child.many(39, 0.1)) == {DROP}
    assert child.many(40).count(ENCODE) == 20
    assert (child.pace.divisor, child.pace.dropped) == (2, 40)


def test_a_keyframe_that_is_late_itself_is_dropped_too() -> None:
    """The next one will do."""
    child = PacedStream()
    child.many(10)
    assert child.next(2.0) is DROP
    child.many(39, 2.0)
    assert child.next(2.0) is DROP
    assert child.pace.divisor == 2  # one delay, not forty


def test_the_full_rate_is_tried_again_and_less_often_if_that_fails() -> None:
    """After half a minute without delay; then after a minute."""
    child = PacedStream()
    child.many(10)
    child.next(2.0)
    child.many(int(RETRY_S * 25) - 20)
    assert child.pace.divisor == 2
    child.many(30)
    assert child.pace.divisor == 1
    child.next(2.0)
    child.many(int(RETRY_S * 25) + 20)
    assert child.pace.divisor == 2
    child.many(int(RETRY_S * 25) + 20)
    assert child.pace.divisor == 1


def test_the_rate_is_halved_again_but_not_for_ever() -> None:
    """One picture of four is the least."""
    child = PacedStream()
    child.many(10)
    for _ in range(5):
        child.next(2.0)
        child.many(100)
    assert child.pace.divisor == 4


def test_a_gap_in_the_cameras_time_costs_no_picture() -> None:
    """Neither forwards nor back."""
    pace = Pace(25)
    assert all(pace.is_due(at) for at in (0, 3600, 9_000_000, 9_003_600, 0, 3600))


def test_a_gap_gives_no_credit() -> None:
    """Behind it a camera of 50 pictures a second is halved as before."""
    pace = Pace(25)
    for number in range(20):
        pace.is_due(1800 * number)

    behind = [pace.is_due(1800 * number) for number in range(30, 50)]

    assert behind.count(True) == 10


def test_the_full_rate_is_tried_that_long_after_the_last_delay() -> None:
    """Not after the first of them."""
    child = PacedStream()
    child.many(10)
    child.many(int(RETRY_S * 25) + 20, 2.0)
    child.many(100)
    assert child.pace.divisor == 2


def test_the_full_rate_is_tried_now_and_then_however_often_that_failed() -> None:
    """A machine that was busy in the morning need not be at noon."""
    child = PacedStream()
    child.many(10)
    for _ in range(8):
        child.next(2.0)
        began = child.index
        while child.pace.divisor > 1:
            child.next()

    assert child.index - began <= (LONGEST_RETRY_S + 1) * 25
