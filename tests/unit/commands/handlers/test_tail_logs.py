"""Log lines that are sent: redacted, filtered, bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import structlog

from gateway.commands.command import Facts, Outcome
from gateway.commands.handlers.tail_logs import TailArgs, create
from gateway.mqtt.payloads.codec import decode_tree
from gateway.runtime.logging import LogLevel, configure_logging, follow_log
from gateway.runtime.redact import Redactor
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import SECRET, FakeBus, command_context, fake_dependencies


@pytest.mark.usefixtures("isolated_logging")
async def test_a_followed_log_is_redacted_filtered_and_bounded() -> None:
    """Only what is wanted, without secrets, in few messages; what was lost is counted."""
    redactor, bus, clock = Redactor(), FakeBus(), FakeClock()
    redactor.add_secret(SECRET)
    configure_logging(redactor, level="warning")
    log = structlog.get_logger("gateway.tests")
    level_before = logging.getLogger().level

    def follow(on_line: Callable[[str], None], level: LogLevel) -> AbstractContextManager[None]:
        return follow_log(redactor, on_line, level)

    handler = create(fake_dependencies(follow_log=follow, bus=bus, clock=clock))
    progress: list[Facts] = []
    args = TailArgs(level="debug", filter="WANTED", max_s=2.0, max_kbps=1)

    async def tail() -> Outcome:
        return await handler.run(args, command_context(progress))

    async with asyncio.TaskGroup() as group:
        tailing = group.create_task(tail())
        while not progress:  # noqa: ASYNC110 (it has started once it reports progress)
            await asyncio.sleep(0)
        for number in range(2000):
            log.debug("wanted", number=number, password=SECRET, text=f"it is {SECRET}")
            log.debug("other")
    outcome = tailing.result()

    sent = [bus.posted.get_nowait() for _ in range(bus.posted.qsize())]
    trees: list[dict[str, Any]] = [decode_tree(each.payload, each.content_type) for each in sent]
    lines = [line for tree in trees for line in tree["lines"]]
    assert outcome.result["lines"] == len(lines) > 10
    assert outcome.result["lines"] + outcome.result["lost"] == 2000
    assert sum(len(line) for line in lines) < 20_000
    assert all("wanted" in line and SECRET not in line for line in lines)
    assert {each.qos for each in sent} == {0}
    assert logging.getLogger().level == level_before


@pytest.mark.usefixtures("isolated_logging")
def test_two_who_follow_do_not_disturb_each_other() -> None:
    """In whichever order they leave, the log is as it was."""
    redactor = Redactor()
    configure_logging(redactor, level="warning")
    root, first, second = logging.getLogger(), [], []  # type: ignore[var-annotated]
    one = follow_log(redactor, first.append, "debug")
    other = follow_log(redactor, second.append, "info")
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    structlog.get_logger("tests").info("still heard")
    other.__exit__(None, None, None)

    assert (len(first), len(second)) == (0, 1)
    assert root.level == logging.WARNING
    assert len(root.handlers) == 1
