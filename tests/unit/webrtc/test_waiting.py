"""Of those who are waited for, the greediest viewer's oldest makes room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.signalling import SessionKey
from gateway.webrtc.waiting import WAITING, WAITING_PER_VIEWER, who_gives_way


def sessions(viewer: str, count: int) -> list[SessionKey]:
    return [SessionKey(viewer, f"{viewer}-{number}") for number in range(count)]


def test_while_there_are_few_nobody_gives_way() -> None:
    """Two pages of sixteen may be opened at once."""
    waiting = sessions("v-a", WAITING_PER_VIEWER) + sessions("v-b", WAITING_PER_VIEWER - 1)

    assert who_gives_way(waiting, "v-b") is None


def test_one_viewer_gives_way_to_itself() -> None:
    """Whoever turns the page again and again loses the oldest of its own, nobody else's."""
    waiting = sessions("v-b", 3) + sessions("v-a", WAITING_PER_VIEWER)

    assert who_gives_way(waiting, "v-a") == SessionKey("v-a", "v-a-0")


def test_the_greediest_makes_room_for_a_newcomer() -> None:
    """Its oldest goes, though others have waited for longer."""
    waiting = sessions("v-b", 6) + sessions("v-c", 12) + sessions("v-a", WAITING - 18)

    assert who_gives_way(waiting, "v-new") == SessionKey("v-a", "v-a-0")


def test_the_greediest_takes_from_nobody() -> None:
    """Who has as many as anybody makes room itself."""
    waiting = sessions("v-b", WAITING // 2) + sessions("v-a", WAITING // 2)

    assert who_gives_way(waiting, "v-a") == SessionKey("v-a", "v-a-0")


@given(asked=st.lists(st.sampled_from([f"v-{n}" for n in range(40)]), max_size=200))
def test_the_bounds_hold_and_the_modest_lose_nothing_to_the_greedy(asked: list[str]) -> None:
    """Whatever is asked in whatever order; a session is never lost to one who has more."""
    waiting: list[SessionKey] = []
    for number, viewer in enumerate(asked):
        gone = who_gives_way(waiting, viewer)
        if gone is not None:
            having = [key.viewer for key in waiting]
            assert having.count(gone.viewer) >= having.count(viewer)
            waiting.remove(gone)
        waiting.append(SessionKey(viewer, str(number)))

    assert len(waiting) <= WAITING
    assert all([k.viewer for k in waiting].count(v) <= WAITING_PER_VIEWER for v in asked)
