"""What becomes of events when lines are cut, brokers restart and the gateway is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.mqtt.wire_event import Happened, read_event
from tests.fixtures.broker import Broker, Observer, cable, observing
from tests.fixtures.teller import TOPICS

pytestmark = pytest.mark.live

EVENTS = 1000
CUTS = (90, 210, 400, 520, 690, 860)
KILLS = (300, 750)
"""After so many events have been recorded."""


async def teller(folder: Path, port: int) -> Process:
    """Start the process that tells events."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fixtures.teller", folder, str(port), str(EVENTS), stdout=PIPE
    )


async def recorded(process: Process, number: int) -> int:
    """Return the newest number that *process* has recorded, once it is at least *number*."""
    assert process.stdout is not None
    newest = 0
    while newest < number:
        line = await process.stdout.readline()
        assert line, "the process has ended"
        newest = int(line)
    return newest


async def until_seq(centre: Observer, number: int) -> list[Happened]:
    """Return every event that arrives until the one with that number."""
    heard: list[Happened] = []
    while not heard or heard[-1].facts["seq"] != number:
        letter = await centre.until(lambda letter: letter.topic == TOPICS.event, within_s=30)
        heard.append(read_event(letter.payload, letter.content_type))
    return heard


async def test_six_cuts_and_two_kills_lose_nothing_of_a_thousand_events(
    broker: Broker, tmp_path: Path
) -> None:
    """All are delivered, in order, and what comes twice is known by its id."""
    async with (
        asyncio.timeout(60),
        observing(broker.address, TOPICS.event) as centre,
        cable(broker, back_s=0.02) as line,
        asyncio.TaskGroup() as group,
    ):
        hearing = group.create_task(until_seq(centre, EVENTS), name="centre")
        process = await teller(tmp_path, line.port)
        for number in sorted((*CUTS, *KILLS, EVENTS)):
            await recorded(process, number)
            if number in CUTS:
                line.cut()
            elif number in KILLS:
                process.send_signal(signal.SIGKILL)
                await process.wait()
                process = await teller(tmp_path, line.port)
        heard = await hearing
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    once: dict[str, Happened] = {}
    for each in heard:
        once.setdefault(each.id, each)  # a dict keeps the order in which they came first
    seqs = [each.facts["seq"] for each in once.values()]
    twice, late = len(heard) - len(once), sum(each.late for each in once.values())
    print(f"{len(seqs)} events, {twice} of them twice, {late} late")  # noqa: T201
    assert seqs == list(range(1, EVENTS + 1))
    assert twice > 0
    assert all(each.number == each.facts["seq"] for each in heard)
