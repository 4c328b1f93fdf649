"""The wall clock as far as it is trusted: never before what this machine has seen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.version import RELEASED_MS
from gateway.runtime.clock import now_ms
from gateway.runtime.trusted_time import (
    FAST_MS,
    FIRST_SAVE_S,
    SAVE_S,
    SKEW_MS,
    SLOW_MS,
    TrustedTime,
)
from tests.fixtures.clock import FakeClock, trusted_time

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
AT = ("/nbf_ms", "/exp_ms")


class SeenTime:
    """A machine whose wall clock and synchronisation the test sets."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "seen-time"
        self.wall_ms, self.synced, self.clock = NOW_MS, True, FakeClock()

    def start(self) -> TrustedTime:
        return TrustedTime(
            self.path,
            synced=lambda: self.synced,
            clock=self.clock,
            wall_ms=lambda: self.wall_ms,
            released_ms=0,
        )


@pytest.fixture
def machine(tmp_path: Path) -> SeenTime:
    return SeenTime(tmp_path)


def test_a_clock_that_is_set_back_is_not_believed(machine: SeenTime) -> None:
    """T22: over a restart; what has ended stays ended."""
    machine.start().save()

    machine.wall_ms -= 400 * DAY_MS
    again = machine.start()

    assert again.now_ms() == NOW_MS
    assert again.behind_s == 400 * 86_400
    ended_ms = NOW_MS - DAY_MS
    (fault,) = again.period_faults(ended_ms - 1, ended_ms, longest_ms=DAY_MS, at=AT)
    assert (fault.at, fault.code) == ("/exp_ms", "time.late")


def test_time_passes_on_a_clock_that_is_behind(machine: SeenTime) -> None:
    """By the monotonic clock."""
    machine.start().save()
    machine.wall_ms = 0
    again = machine.start()

    machine.clock.time_s += 60

    assert again.now_ms() == NOW_MS + 60_000


def test_no_clock_is_before_the_release() -> None:
    """A new machine, or one that has lost its card, knows at least that."""
    time = trusted_time(lambda: 0, released_ms=RELEASED_MS)

    assert time.now_ms() == RELEASED_MS
    assert now_ms() > RELEASED_MS


def test_a_clock_that_nothing_disciplines_is_not_remembered(machine: SeenTime) -> None:
    """One that is years ahead for a day must not make everything old for years."""
    machine.synced, machine.wall_ms = False, 3 * NOW_MS
    machine.start().save()

    machine.wall_ms = NOW_MS

    assert not machine.path.exists()
    assert machine.start().now_ms() == NOW_MS


async def test_it_is_written_a_few_times_a_day(machine: SeenTime) -> None:
    """Once ten minutes after the start, then every six hours: the card must last."""
    time = machine.start()
    written = []

    def save() -> None:
        written.append(machine.clock.time_s)
        if len(written) == 3:
            running.cancel()

    time.save = save  # type: ignore[method-assign]
    running = asyncio.create_task(time.run())
    await asyncio.wait([running])

    assert written == [1000 + FIRST_SAVE_S + n * SAVE_S for n in range(3)]


@pytest.mark.parametrize("content", [b"", b"x", b"-5\n", b"99999999999999999999\n", b"\xff" * 40])
def test_a_broken_file_counts_for_nothing(machine: SeenTime, content: bytes) -> None:
    """And is written anew."""
    machine.path.write_bytes(content)

    time = machine.start()

    assert time.now_ms() == NOW_MS
    time.save()
    assert machine.path.read_bytes() == b"%d\n" % NOW_MS


def faults(begins_ms: int, ends_ms: int, *, synced: bool | None = True) -> list[str]:
    time = trusted_time(lambda: NOW_MS, synced=synced)
    found = time.period_faults(begins_ms, ends_ms, longest_ms=31 * DAY_MS, at=AT)
    return [f"{each.at} {each.code}" for each in found]


def test_a_period_is_bounded_and_now() -> None:
    """By five minutes, the most that two synchronised clocks may differ."""
    ahead, ago = NOW_MS + SKEW_MS, NOW_MS - SKEW_MS

    assert faults(NOW_MS, NOW_MS + 31 * DAY_MS) == []
    assert faults(ahead, ahead + 1) == faults(ago - 1, ago) == []
    assert faults(ahead + 1, ahead + 2) == ["/nbf_ms time.early"]
    assert faults(ago - 2, ago - 1) == ["/exp_ms time.late"]
    assert faults(NOW_MS, NOW_MS + 31 * DAY_MS + 1) == ["/exp_ms time.period"]
    assert faults(NOW_MS, NOW_MS) == faults(NOW_MS, 0) == ["/exp_ms time.period"]


@pytest.mark.parametrize("synced", [False, None])
def test_an_undisciplined_clock_refuses_what_it_can_judge(synced: bool | None) -> None:
    """A box without a battery still obeys; 2099 and last month are refused all the same."""
    ago, ahead = NOW_MS - FAST_MS, NOW_MS + SLOW_MS

    assert faults(ahead, ahead + DAY_MS, synced=synced) == []
    assert faults(ahead + 1, ahead + DAY_MS, synced=synced) == ["/nbf_ms time.early"]
    assert faults(ago - 1, ago, synced=synced) == []
    assert faults(ago - 2, ago - 1, synced=synced) == ["/exp_ms time.late"]


@given(st.integers(0, 2**53), st.integers(0, 2**53), st.integers(0, 2**53), st.integers(0, 2**53))
def test_what_is_accepted_may_be_good_now(wall: int, released: int, begin: int, end: int) -> None:
    """Whatever the clocks and the dates say, nothing that has ended by the minimum is good."""
    time = trusted_time(lambda: wall, released_ms=released)

    accepted = not list(time.period_faults(begin, end, longest_ms=31 * DAY_MS, at=AT))

    assert accepted <= (begin < end and end >= released - SKEW_MS and begin <= time.latest_ms())
