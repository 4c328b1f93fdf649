"""Memory that is given back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import weakref

from gateway.runtime.memory import TRIM_INTERVAL_S, MemoryTrimmer, find_trim
from tests.fixtures.clock import HANG_S, FakeClock

BURST = """
import ctypes
import psutil
from gateway.runtime.memory import find_trim

def rss_bytes():
    return psutil.Process().memory_info().rss

trim = find_trim(ctypes.CDLL(None))
payloads = [bytes(1_400) for _ in range(20_000)]
full_bytes = rss_bytes()
kept = payloads[::1_000]  # the holes are not at the end of the heap
del payloads
unused_bytes = rss_bytes()
trim(0)
print(full_bytes - unused_bytes, full_bytes - rss_bytes())
"""
"""28 MB of payloads, nearly all of them forgotten. In a process of its own: this one is full of
other things."""


def test_a_burst_stays_until_it_is_given_back() -> None:
    """What glibc keeps by itself, and what it has when it is told to give."""
    command = [sys.executable, "-W", "error", "-c", BURST]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    alone_bytes, told_bytes = map(int, said.split())

    assert alone_bytes < 5_000_000
    assert told_bytes > 20_000_000


class Libc:
    """A C library that gives memory back."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.enough = asyncio.Event()

    def malloc_trim(self, keep_bytes: int) -> int:
        self.given.append(keep_bytes)
        if len(self.given) == 3:
            self.enough.set()
        return 1


async def test_it_is_given_back_again_and_again() -> None:
    """At its pace, all of it, until cancelled."""
    libc, clock = Libc(), FakeClock()

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(MemoryTrimmer(libc, clock=clock).run())
        await libc.enough.wait()
        running.cancel()

    assert libc.given[:3] == [0, 0, 0]
    assert clock.slept[:3] == [TRIM_INTERVAL_S] * 3


class Ring:
    """Refers to itself, as a session and its transports do to each other."""

    def __init__(self) -> None:
        self.me = self


async def test_rings_that_nobody_holds_are_given_back() -> None:
    """Also those that have come after the start, of which too few are there for Python to look."""
    libc = Libc()
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(MemoryTrimmer(libc, clock=FakeClock()).run())
        await asyncio.sleep(0)
        left = weakref.ref(Ring())
        await libc.enough.wait()
        running.cancel()
    assert left() is None


def test_a_library_that_gives_nothing_back_is_left_alone() -> None:
    """As musl."""
    assert find_trim(object()) is None
