"""Which of a viewer's many candidates are checked."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webrtc.remote_candidates import LINES, PLACES, RemoteCandidates

TCP = [f"1 1 tcp 1518280447 203.0.113.{n} 9 typ host tcptype active" for n in range(30)]
MDNS = [
    f"1 1 udp 2113937151 c273d855-0fce-42bc-b3bd-{n:012}.local 44558 typ host" for n in range(9)
]
RTCP = [f"1 2 udp 2113937150 203.0.113.{n} 5001 typ host" for n in range(30)]
CAMERAS = [f"1 1 udp 2113937151 192.168.1.{n} 5000 typ host" for n in range(1, 30)]
RELAY = "1 1 udp 16777215 198.51.100.9 3478 typ relay raddr 203.0.113.1 rport 5000"


def host(number: int, priority: int = 2113937151) -> str:
    return f"1 1 udp {priority} 203.0.113.{number} 5000 typ host"


def types_of(candidates: RemoteCandidates) -> list[str]:
    return [each.type for each in candidates.pop()]


@pytest.mark.parametrize("useless", [TCP, MDNS, RTCP, CAMERAS, [host(1)] * 60, [""] * 60])
def test_what_cannot_be_used_takes_no_place(useless: list[str]) -> None:
    """TCP, names, RTCP of its own, refused addresses, the same again: the relay comes in."""
    candidates = RemoteCandidates((ip_network("192.168.1.0/24"),))

    candidates.add(useless)
    candidates.add([RELAY])

    assert types_of(candidates)[-1] == "relay"


def test_however_many_networks_there_are_the_relay_comes_in() -> None:
    """A hundred host candidates, and at last the only one that works."""
    candidates = RemoteCandidates()

    candidates.add([*map(host, range(100)), RELAY])

    assert types_of(candidates) == ["host"] * PLACES["host"] + ["relay"]


def test_of_too_many_those_of_the_highest_priority_are_checked() -> None:
    """The viewer says which it prefers (RFC 8445 §5.1.2)."""
    candidates = RemoteCandidates()

    candidates.add([host(number, priority=1_000 + number) for number in range(100)])

    chosen = [each.priority for each in candidates.pop()]
    assert chosen == [1_099 - number for number in range(PLACES["host"])]


def test_a_batch_that_exceeds_the_bound_is_cut() -> None:
    """What comes before the bound counts, what comes behind it does not."""
    candidates = RemoteCandidates()

    candidates.add([*TCP * 20, RELAY])
    candidates.add([RELAY])

    assert types_of(candidates) == []
    assert candidates.looked_at == LINES


def test_what_was_taken_is_returned_once() -> None:
    """The next batch brings only what is new."""
    candidates = RemoteCandidates()
    candidates.add([host(1)])
    assert len(candidates.pop()) == 1

    candidates.add([host(1), host(2)])

    assert [each.ip for each in candidates.pop()] == ["203.0.113.2"]


KINDS = st.sampled_from(["host", "srflx", "relay", "prflx"])


@given(st.lists(st.lists(st.tuples(KINDS, st.integers(0, 300)), max_size=80), max_size=12))
def test_the_bounds_hold_whatever_is_offered(batches: list[list[tuple[str, int]]]) -> None:
    """In any order and of any type."""
    candidates = RemoteCandidates()
    for batch in batches:
        candidates.add(f"1 1 udp 1 203.0.{n // 250}.{n % 250} 5000 typ {kind}" for kind, n in batch)

    taken = types_of(candidates)
    assert all(taken.count(kind) <= most for kind, most in PLACES.items())
    assert candidates.looked_at <= LINES
