"""Candidates that come before their offer, also while another viewer floods."""

from __future__ import annotations

from gateway.model.signalling import SessionKey
from gateway.webrtc.early_candidates import EARLY_S, EARLY_SESSIONS, EarlyCandidates
from gateway.webrtc.remote_candidates import LINES, RemoteCandidates
from tests.fixtures.clock import FakeClock

ONE, TWO = (f"1 1 udp 1 203.0.113.{number} 5000 typ host" for number in (1, 2))
HONEST = SessionKey("v-honest", "session-1")


def addresses(candidates: RemoteCandidates) -> list[str]:
    """Return where those that waited lead to."""
    return [each.ip for each in candidates.pop()]


def flood(early: EarlyCandidates, viewer: str, count: int) -> None:
    """Store a candidate of each of *count* sessions that there will never be."""
    for number in range(count):
        early.store(SessionKey(viewer, f"session-{number}"), [ONE])


def test_they_wait_in_their_order_for_so_long() -> None:
    """Ten seconds from the first; then they are forgotten."""
    clock = FakeClock()
    early = EarlyCandidates((), clock)
    late = SessionKey("v-honest", "session-2")
    for line in (ONE, TWO):
        early.store(HONEST, [line])
        early.store(late, [line])

    clock.time_s += EARLY_S
    in_time = early.pop(HONEST)
    clock.time_s += 0.1

    assert addresses(in_time) == ["203.0.113.1", "203.0.113.2"]
    assert addresses(early.pop(late)) == addresses(early.pop(HONEST)) == []


def test_one_session_has_so_many() -> None:
    """However often it sends some."""
    early = EarlyCandidates((), FakeClock())
    for _ in range(100):
        early.store(HONEST, ["candidate"] * 10)

    assert early.pop(HONEST).looked_at == LINES


def test_a_flood_keeps_out_nobodys_candidates() -> None:
    """They are kept, though the table was full before they came."""
    early = EarlyCandidates((), FakeClock())
    flood(early, "v-hostile", 1000)
    flood(early, "v-hostile-2", 1000)

    early.store(HONEST, [ONE])

    assert addresses(early.pop(HONEST)) == ["203.0.113.1"]


def test_a_flood_pushes_out_nobodys_candidates() -> None:
    """They stay, whatever comes after them: a whole page of sixteen."""
    early = EarlyCandidates((), FakeClock())
    page = [SessionKey("v-honest", f"session-{number}") for number in range(EARLY_SESSIONS.each)]
    for key in page:
        early.store(key, [ONE])

    flood(early, "v-hostile", 1000)

    assert [addresses(early.pop(key)) for key in page] == [["203.0.113.1"]] * len(page)
