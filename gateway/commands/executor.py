"""A command that has been taken, until it has ended: done, answered, noted, told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.commands.admission import Admitted
from gateway.commands.command import CommandContext, Facts
from gateway.commands.journal import ANSWER_BYTES, CommandJournal, JournalEntry
from gateway.commands.replies import ReplyAddress, ReplySender
from gateway.model.errors import GatewayError, TransientError
from gateway.model.event import Event
from gateway.mqtt.payloads.command import Reply, reply_bytes
from gateway.ports import Clock, Events
from gateway.runtime.log_limit import RateLimitedLog

AT_ONCE = 8
"""Commands in work, all together."""

TELL_EVERY_S = 1.0
"""Between two words on how far a command is."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningCommand:
    """One command in work."""

    admitted: Admitted
    entry: JournalEntry
    address: ReplyAddress


@dataclass(slots=True)
class ConcurrencyLimits:
    """What is in work now."""

    ids: set[str] = field(default_factory=set)
    names: Counter[str] = field(default_factory=Counter)
    disruptive: bool = False

    def are_free(self, admitted: Admitted) -> bool:
        """Whether *admitted* can be begun."""
        command = admitted.command
        if len(self.ids) >= AT_ONCE or self.names[command.name] >= command.at_once:
            return False
        return not (command.disruptive and self.disruptive)

    def begin(self, admitted: Admitted) -> None:
        self.ids.add(admitted.asked.id)
        self.names[admitted.command.name] += 1
        self.disruptive = self.disruptive or admitted.command.disruptive

    def end(self, admitted: Admitted) -> None:
        self.ids.discard(admitted.asked.id)
        self.names[admitted.command.name] -= 1
        if admitted.command.disruptive:
            self.disruptive = False


class CommandExecutor:
    """Does commands and says what came of them.

    Args:
        journal: Is told how they end.
        answers: Takes the answers.
        events: Is told who asked for what, and what came of it.
        boot: Id of the machine's boot.
        clock: Monotonic.
    """

    def __init__(
        self,
        journal: CommandJournal,
        *,
        answers: ReplySender,
        events: Events,
        boot: str,
        clock: Clock,
    ) -> None:
        self.hands = ConcurrencyLimits()
        self._journal = journal
        self._answers = answers
        self._events = events
        self._boot = boot
        self._clock = clock
        self._unkept = RateLimitedLog("commands", "answers not kept", clock=clock)

    async def do(self, work: RunningCommand) -> None:
        """Do *work* to its end, whichever it is."""
        entry = work.entry
        try:
            try:
                reply = await self._outcome(work)
            except asyncio.CancelledError:
                if not work.admitted.command.survives_restart:
                    reply = self._answers.reply(entry.id, "cancelled", code="stopping")
                    self._keep(entry, reply)
                    self._tell_end(entry, work.address, reply)
                raise
            await self.conclude(entry, work.address, reply)
        finally:
            self.hands.end(work.admitted)

    async def conclude(self, entry: JournalEntry, address: ReplyAddress, reply: Reply) -> None:
        """Keep *reply* as the end of *entry*, and say it."""
        try:
            await asyncio.to_thread(self._keep, entry, reply)
        finally:
            self._tell_end(entry, address, reply)

    def audit(self, entry: JournalEntry, state: str, **facts: object) -> None:
        """Tell what became of *entry*."""
        known = {"cmd": entry.id, "name": entry.name, "actor": entry.actor, "st": state}
        told = {key: value for key, value in facts.items() if value}
        log.info("command", **known)
        self._events.record(Event("command", known | told, "audit"))

    async def _outcome(self, work: RunningCommand) -> Reply:
        command, command_id = work.admitted.command, work.entry.id
        context = CommandContext(work.admitted.asked, self._telling(work))
        try:
            async with asyncio.timeout(command.limit_s):
                outcome = await command.run(work.admitted.args, context)
        except TimeoutError:
            return self._answers.reply(command_id, "timed_out")
        except GatewayError as error:
            why = {"detail": error.detail}
            return self._answers.reply(command_id, "failed", code=error.reason.value, result=why)
        result = dict(outcome.result)
        return self._answers.reply(command_id, outcome.state, code=outcome.code, result=result)

    def _telling(self, work: RunningCommand) -> Callable[[int | None, Facts], None]:
        told_s = float("-inf")

        def tell(percent: int | None, result: Facts) -> None:
            nonlocal told_s
            if self._clock.now() - told_s < TELL_EVERY_S:
                return
            told_s = self._clock.now()
            how = self._answers.reply(
                work.entry.id, "running", percent=percent, result=dict(result)
            )
            self._answers.say(work.address, how)

        return tell

    def _keep(self, entry: JournalEntry, reply: Reply) -> None:
        """Keep *reply*, without its result where that is large. Waits for the disk."""
        kept = reply_bytes(reply)
        if len(kept) > ANSWER_BYTES:
            kept = reply_bytes(reply.model_copy(update={"result": {"kept": False}}))
        try:
            self._journal.finish(entry.id, kept)
        except TransientError as error:  # after a crash it will be told as interrupted
            self._unkept.count(error.detail)

    def _tell_end(self, entry: JournalEntry, address: ReplyAddress, reply: Reply) -> None:
        self._answers.say(address, reply)
        self.audit(entry, reply.state, code=reply.code)
