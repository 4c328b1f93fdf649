"""Candidates that come before their offer, also while another viewer floods."""

from __future__ import annotations

from gateway.model.signalling import SessionKey
from gateway.webrtc.early_candidates import EARLY_S, EARLY_SESSIONS, EarlyCandidates
from gateway.webrtc.sdp_offer import CANDIDATES
from tests.fixtures.clock import FakeClock

HONEST = SessionKey("v-honest", "session-1")


def flood(early: EarlyCandidates, viewer: str, count: int) -> None:
    """Store a candidate of each of *count* sessions that there will never be."""
    for number in range(count):
        early.store(SessionKey(viewer, f"session-{number}"), ["candidate"])


def test_they_wait_in_their_order_for_so_long() -> None:
    """Ten seconds from the first; then they are forgotten."""
    clock = FakeClock()
    early = EarlyCandidates(clock)
    late = SessionKey("v-honest", "session-2")
    for line in ("one", "two"):
        early.store(HONEST, [line])
        early.store(late, [line])

    clock.time_s += EARLY_S
    in_time = early.pop(HONEST)
    clock.time_s += 0.1

    assert in_time == ["one", "two"]
    assert early.pop(late) == early.pop(HONEST) == []


def test_one_session_has_so_many() -> None:
    """However often it sends some."""
    early = EarlyCandidates(FakeClock())
    for _ in range(100):
        early.store(HONEST, ["candidate"] * 10)

    assert early.pop(HONEST) == ["candidate"] * CANDIDATES


def test_a_flood_keeps_out_nobodys_candidates() -> None:
    """They are kept, though the table was full before they came."""
    early = EarlyCandidates(FakeClock())
    flood(early, "v-hostile", 1000)
    flood(early, "v-hostile-2", 1000)

    early.store(HONEST, ["honest"])

    assert early.pop(HONEST) == ["honest"]


def test_a_flood_pushes_out_nobodys_candidates() -> None:
    """They stay, whatever comes after them: a whole page of sixteen."""
    early = EarlyCandidates(FakeClock())
    page = [SessionKey("v-honest", f"session-{number}") for number in range(EARLY_SESSIONS.each)]
    for key in page:
        early.store(key, ["honest"])

    flood(early, "v-hostile", 1000)

    assert [early.pop(key) for key in page] == [["honest"]] * len(page)
