"""``logs.tail``: sends log lines for a while, bounded in time, in bit rate and in memory.

Lines are redacted. Lines that do not fit are dropped and counted; the count is sent.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated

from pydantic import Field

from gateway.commands.command import (
    CommandContext,
    CommandDependencies,
    CommandHandler,
    Facts,
    Outcome,
)
from gateway.mqtt.payloads import command as command_payload
from gateway.mqtt.payloads.command import Args
from gateway.mqtt.topic_tree import LOG
from gateway.mqtt.topics import build_message
from gateway.runtime.logging import LogLevel
from gateway.runtime.rate_limit import TokenBucket

BATCH_S = 0.25
"""Between two messages: many lines share one."""

BUFFER_LINES = 500
LINE_CHARS = 2000
BATCH_BYTES = 16_384


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


class _LineBuffer:
    """Lines that wait to be sent; when it is full the oldest is dropped.

    Attributes:
        dropped: Lines dropped since the last batch; whoever sends a batch sets it to 0.
    """

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted.casefold()
        self._lines: deque[str] = deque(maxlen=BUFFER_LINES)
        self.dropped = 0

    def append(self, line: str) -> None:
        """Append a line that holds what is wanted; may be called from any thread."""
        if self._wanted in line.casefold():
            self.dropped += len(self._lines) == BUFFER_LINES
            self._lines.append(line[:LINE_CHARS])

    def pop_batch(self) -> tuple[tuple[str, ...], int]:
        """Remove and return the oldest lines, and how many bytes they have."""
        lines: list[str] = []
        size_bytes = 0
        while self._lines and size_bytes < BATCH_BYTES:
            lines.append(self._lines.popleft())
            size_bytes += len(lines[-1].encode(errors="replace")) + 3
        return tuple(lines), size_bytes


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""
    clock = dependencies.clock

    def plan(args: TailArgs) -> Facts:
        return {"level": args.level, "max_s": args.max_s, "max_kbps": args.max_kbps}

    async def run(args: TailArgs, context: CommandContext) -> Outcome:
        stream = context.request.id.lower()[:40]
        topic, buffer, sent, lost = dependencies.topics.log(stream), _LineBuffer(args.filter), 0, 0
        bytes_per_s = args.max_kbps * 125
        burst_bytes = max(bytes_per_s, BATCH_BYTES + LINE_CHARS)
        bucket = TokenBucket(bytes_per_s * 60, burst_bytes, clock=clock)
        context.report_progress(None, {"stream": stream})
        until_s = clock.now() + args.max_s
        with dependencies.follow_log(buffer.append, args.level):
            while (left_s := until_s - clock.now()) > 0:
                await clock.sleep(min(BATCH_S, left_s))
                lines, size_bytes = buffer.pop_batch()
                if lines and not bucket.try_acquire(size_bytes):
                    lines, buffer.dropped = (), buffer.dropped + len(lines)
                if lines:
                    dropped, buffer.dropped = buffer.dropped, 0
                    sent, lost = sent + len(lines), lost + dropped
                    payload = command_payload.encode_log_lines(dependencies.stamp(), lines, dropped)
                    dependencies.bus.publish(build_message(LOG, topic, payload))
        return Outcome(result={"stream": stream, "lines": sent, "lost": lost + buffer.dropped})

    return CommandHandler(plan, run)
