"""A child that is slow to start gets there in the end, and one that hangs is given up each time."""

from __future__ import annotations

import sys

import pytest

from gateway.vision.pipe import MalformedMessage, Status, pack_reply
from gateway.vision.piped_child import ChildLost, PipedChild
from gateway.vision.start_patience import FIRST_S, LONGEST_S, StartPatience
from gateway.vision.worker_process import WorkerLost, WorkerProcess

TAKES_S = 1.0
"""What the slow child takes: the first two patiences below are shorter on any machine."""


def slow_command(said: bytes) -> tuple[str, ...]:
    """A child that says *said* after so long, and waits for its end."""
    code = f"""
import sys, time
time.sleep({TAKES_S})
sys.stdout.buffer.write({said!r})
sys.stdout.flush()
sys.stdin.read()
"""
    return (sys.executable, "-I", "-S", "-c", code)


async def started_worker(patience: StartPatience) -> WorkerProcess:
    command = slow_command(pack_reply(Status.DONE, b""))
    return await WorkerProcess.start(answers_within_s=60.0, patience=patience, command=command)


async def started_child(patience: StartPatience) -> PipedChild:
    child: PipedChild

    def on_bytes(raw: bytes) -> None:
        if raw != b"ready":
            raise MalformedMessage(repr(raw))
        child.mark_ready(())

    child = await PipedChild.start(
        "slow",
        slow_command(b"ready"),
        on_bytes=on_bytes,
        on_writable=lambda: None,
        on_lost=lambda: None,
    )
    await child.until_ready(patience)
    return child


@pytest.mark.parametrize("start", [started_worker, started_child])
async def test_a_slow_child_is_ready_in_the_end(start: object) -> None:
    """It is killed while the patience is too short, which then is doubled; never for ever."""
    patience = StartPatience(0.05, 400.0)
    killed = []
    while True:
        try:
            child = await start(patience)  # type: ignore[operator]
        except (WorkerLost, ChildLost) as error:
            killed.append((str(error), patience.within_s))
        else:
            break
    await child.stop()

    assert [within_s for _, within_s in killed] == [0.1 * 2**i for i in range(len(killed))]
    assert 2 <= len(killed) <= 13
    assert "0.05 s" in killed[0][0]


def test_patience_has_an_end_and_a_quick_child_brings_the_first_back() -> None:
    """Several that are killed at once count once."""
    patience = StartPatience()
    for _ in range(10):
        patience.on_late(FIRST_S)
    twice_s = patience.within_s
    for _ in range(10):
        patience.on_late(patience.within_s)
    longest_s = patience.within_s
    patience.on_ready(FIRST_S - 1)  # in time for the first, but not by much
    held_s = patience.within_s
    patience.on_ready(1.0)

    assert (twice_s, longest_s, held_s) == (2 * FIRST_S, LONGEST_S, LONGEST_S)
    assert patience.within_s == FIRST_S
