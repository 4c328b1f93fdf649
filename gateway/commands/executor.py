"""Executes an admitted command, sends its replies and records how it ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.commands.admission import AdmittedCommand
from gateway.commands.command import CommandContext, Facts
from gateway.commands.journal import ANSWER_BYTES, CommandJournal, JournalEntry
from gateway.commands.replies import ReplyAddress, ReplySender
from gateway.model.errors import GatewayError, TransientError
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.command import Reply, reply_bytes
from gateway.ports import Clock, Events
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog

MAX_CONCURRENT = 8
"""Commands that run at once, of all names together."""

PROGRESS_EVERY_S = 1.0
"""Least time between two reports of progress."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningCommand:
    """One command that is executed."""

    admitted: AdmittedCommand
    entry: JournalEntry
    address: ReplyAddress


@dataclass(slots=True)
class ConcurrencyLimits:
    """Which commands run, and whether one more may.

    Attributes:
        ids: Of those that run.
        names: How many run of each name.
        disruptive: Whether a disruptive one runs.
    """

    ids: set[str] = field(default_factory=set)
    names: Counter[str] = field(default_factory=Counter)
    disruptive: bool = False

    def has_capacity(self, admitted: AdmittedCommand) -> bool:
        """Return whether *admitted* may start now."""
        spec = admitted.spec
        if len(self.ids) >= MAX_CONCURRENT or self.names[spec.name] >= spec.max_concurrent:
            return False
        return not (spec.disruptive and self.disruptive)

    def acquire(self, admitted: AdmittedCommand) -> None:
        """Count *admitted* as running."""
        self.ids.add(admitted.request.id)
        self.names[admitted.spec.name] += 1
        self.disruptive = self.disruptive or admitted.spec.disruptive

    def release(self, admitted: AdmittedCommand) -> None:
        """Count *admitted* as ended."""
        self.ids.discard(admitted.request.id)
        self.names[admitted.spec.name] -= 1
        if admitted.spec.disruptive:
            self.disruptive = False


class CommandExecutor:
    """Executes commands.

    Args:
        journal: Stores how they end.
        replies: Sends replies.
        events: Records the audit.
        clock: Monotonic.
    """

    def __init__(
        self, journal: CommandJournal, *, replies: ReplySender, events: Events, clock: Clock
    ) -> None:
        self.concurrency = ConcurrencyLimits()
        self._journal = journal
        self._replies = replies
        self._events = events
        self._clock = clock
        self._not_stored = RateLimitedLog("commands", "replies not stored", clock=clock)

    async def execute(self, running: RunningCommand) -> None:
        """Execute *running*; it ends with a final reply, also when it fails or is cancelled."""
        entry = running.entry
        try:
            try:
                reply = await self._run_handler(running)
            except asyncio.CancelledError:
                if not running.admitted.spec.survives_restart:
                    reply = self._replies.build(entry.id, "cancelled", code="stopping")
                    self._store(entry, reply)
                    self._send_final(entry, running.address, reply)
                raise
            await self.finish(entry, running.address, reply)
        finally:
            self.concurrency.release(running.admitted)

    async def finish(self, entry: JournalEntry, address: ReplyAddress, reply: Reply) -> None:
        """Store *reply* as the end of *entry*, then send it."""
        try:
            await asyncio.to_thread(self._store, entry, reply)
        finally:
            self._send_final(entry, address, reply)

    def audit(self, entry: JournalEntry, state: str, **facts: object) -> None:
        """Record in the audit that *entry* is now *state*; empty facts are left out."""
        known = {"cmd": entry.id, "name": entry.name, "actor": entry.actor, "st": state}
        log.info("command_updated", **known)
        present = {key: value for key, value in facts.items() if value}
        self._events.record(Event("command", known | present, "audit"))

    async def _run_handler(self, running: RunningCommand) -> Reply:
        command, command_id = running.admitted.command, running.entry.id
        context = CommandContext(running.admitted.request, self._progress_reporter(running))
        try:
            async with asyncio.timeout(command.spec.limit_s):
                outcome = await command.handler.run(running.admitted.args, context)
        except TimeoutError:
            return self._replies.build(command_id, "timed_out")
        except GatewayError as error:
            why = {"detail": error.detail}
            return self._replies.build(command_id, "failed", code=error.reason.value, result=why)
        except Exception as error:  # ends this command only
            report_bug("command", error, command.spec.name)
            return self._replies.build(command_id, "failed", code=Reason.INTERNAL_ERROR.value)
        result = dict(outcome.result)
        return self._replies.build(command_id, outcome.state, code=outcome.code, result=result)

    def _progress_reporter(self, running: RunningCommand) -> Callable[[int | None, Facts], None]:
        sent_s = float("-inf")

        def report_progress(percent: int | None, result: Facts) -> None:
            nonlocal sent_s
            if self._clock.now() - sent_s < PROGRESS_EVERY_S:
                return
            sent_s = self._clock.now()
            progress = self._replies.build(
                running.entry.id, "running", percent=percent, result=dict(result)
            )
            self._replies.send(running.address, progress)

        return report_progress

    def _store(self, entry: JournalEntry, reply: Reply) -> None:
        """Store *reply*, without its result where that is large. Blocks on the disk."""
        stored = reply_bytes(reply)
        if len(stored) > ANSWER_BYTES:
            stored = reply_bytes(reply.model_copy(update={"result": {"kept": False}}))
        try:
            self._journal.finish(entry.id, stored)
        except TransientError as error:  # after a crash it will be reported as interrupted
            self._not_stored.count(error.detail)

    def _send_final(self, entry: JournalEntry, address: ReplyAddress, reply: Reply) -> None:
        self._replies.send(address, reply)
        self.audit(entry, reply.state, code=reply.code)
