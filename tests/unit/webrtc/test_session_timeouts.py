"""When a session is over by time, on a clock that is moved by hand."""

from __future__ import annotations

from gateway.webrtc.session_timeouts import SILENCE_S, SessionTimeouts
from tests.fixtures.clock import FakeClock


class Watched:
    """A session whose viewer was heard at *heard_s*."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timeouts = SessionTimeouts(self.clock)
        self.heard_s = self.clock.now()

    def tick(self, *seconds: float, dropped: bool = False) -> str:
        """What is found after a tick in each of so many *seconds*."""
        over = ""
        for each in seconds:
            self.clock.time_s += each
            over = over or self.timeouts.check(self.heard_s, dropped=dropped)
        return over


def test_who_says_nothing_for_ten_seconds_is_gone() -> None:
    """RTCP comes about once a second."""
    watched = Watched()

    assert watched.tick(*[1.0] * round(SILENCE_S)) == ""
    assert watched.tick(1.0) == "silence"


def test_while_our_loop_is_late_nobody_is_silent() -> None:
    """What the viewer has sent is in the kernel, or was dropped there."""
    assert Watched().tick(1.0, 30.0, 1.0, 12.0, 1.0) == ""


def test_while_the_kernel_drops_what_comes_nobody_is_silent() -> None:
    """Somebody floods the port: the viewer's datagrams are dropped with the others."""
    watched = Watched()

    assert watched.tick(*[1.0] * 60, dropped=True) == ""
    assert watched.tick(*[1.0] * 11) == "silence"


def test_a_session_expires_unless_it_is_extended() -> None:
    """By whoever has opened it."""
    watched = Watched()
    watched.timeouts.expire_in(5.0)

    assert watched.tick(*[1.0] * 5) == ""
    watched.timeouts.expire_in(2.0)
    assert watched.tick(1.0, 1.0) == ""
    assert watched.tick(1.0) == "expired"


def test_while_our_loop_is_late_no_session_expires() -> None:
    """The wish to go on is unread still."""
    watched = Watched()
    watched.timeouts.expire_in(5.0)

    assert watched.tick(1.0, 30.0, 1.0) == ""


def test_a_viewing_ends_at_its_time_however_late_we_are() -> None:
    """A right ends on the clock on the wall."""
    watched = Watched()
    watched.timeouts.limit_viewing(5.0)

    assert watched.tick(1.0, 30.0) == "viewing_time"
