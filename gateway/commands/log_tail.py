"""Following the log from afar for a while: bounded in time, in kilobits per second, and in memory.

Lines come through the one redactor. What does not fit is counted and the count is sent; following
the log ends by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated

from pydantic import Field

from gateway.commands.command import Command, CommandContext, Facts, Outcome
from gateway.mqtt.payloads import command as command_payload
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.command import Args
from gateway.mqtt.topic_tree import LOG
from gateway.mqtt.topics import Topics, publication
from gateway.ports import Bus, Clock
from gateway.runtime.logging import LogLevel
from gateway.runtime.rate_limit import TokenBucket

BATCH_S = 0.25
"""Between two messages: many lines share one."""

RING_LINES = 500
LINE_CHARS = 2000
BATCH_BYTES = 16_384

Follow = Callable[[Callable[[str], None], LogLevel], AbstractContextManager[None]]
"""Gives every redacted line of that level and above to the function, from any thread."""


class TailArgs(Args):
    """What is to be followed.

    Attributes:
        level: The least that is wanted.
        filter: Lines that hold this, upper or lower case; empty: all.
        max_s: When to stop.
        max_kbps: How much at most.
    """

    level: LogLevel = "info"
    filter: Annotated[str, Field(max_length=100)] = ""
    max_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    max_kbps: Annotated[int, Field(ge=1, le=256)] = 32


class _Ring:
    """Lines that wait to be sent; the oldest goes first."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted.casefold()
        self._lines: deque[str] = deque(maxlen=RING_LINES)
        self.lost = 0

    def add(self, line: str) -> None:
        """Take a line, from any thread."""
        if self._wanted in line.casefold():
            self.lost += len(self._lines) == RING_LINES
            self._lines.append(line[:LINE_CHARS])

    def batch(self) -> tuple[tuple[str, ...], int]:
        """Return some lines, with how many bytes they have."""
        taken: list[str] = []
        size_bytes = 0
        while self._lines and size_bytes < BATCH_BYTES:
            taken.append(self._lines.popleft())
            size_bytes += len(taken[-1].encode(errors="replace")) + 3
        return tuple(taken), size_bytes


def tail_command(
    own: Topics, *, follow: Follow, bus: Bus, stamp: Callable[[], Stamp], clock: Clock
) -> Command:
    """Return ``logs.tail``."""

    async def run(args: TailArgs, context: CommandContext) -> Outcome:
        stream = context.asked.id.lower()[:40]
        topic, ring, sent, lost = own.log(stream), _Ring(args.filter), 0, 0
        bytes_per_s = args.max_kbps * 125
        bucket = TokenBucket(
            bytes_per_s * 60, max(bytes_per_s, BATCH_BYTES + LINE_CHARS), clock=clock
        )
        context.tell(None, {"stream": stream})
        until_s = clock.now() + args.max_s
        with follow(ring.add, args.level):
            while (left_s := until_s - clock.now()) > 0:
                await clock.sleep(min(BATCH_S, left_s))
                lines, size_bytes = ring.batch()
                if lines and not bucket.try_acquire(size_bytes):
                    lines, ring.lost = (), ring.lost + len(lines)
                if lines:
                    gap, ring.lost = ring.lost, 0
                    sent, lost = sent + len(lines), lost + gap
                    sealed = command_payload.log_lines(stamp(), lines, gap)
                    bus.post(publication(LOG, topic, sealed))
        return Outcome(result={"stream": stream, "lines": sent, "lost": lost + ring.lost})

    def plan(args: TailArgs) -> Facts:
        return {"level": args.level, "max_s": args.max_s, "max_kbps": args.max_kbps}

    return Command("logs.tail", TailArgs, plan, run, ttl_s=30, limit_s=660, at_once=2)
