"""The dispatcher where the centre's commands are taken, once each.

Taken means: looked over, noted on the disk, answered with ``accepted``, and only then acknowledged
to the broker, so that a power cut at any moment neither loses a command that the broker thinks we
have nor makes us do one twice. Nothing waits for its turn: what cannot be begun now is ``busy``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from gateway.commands.admission import Admitted, CommandAdmission, Refused
from gateway.commands.executor import CommandExecutor, RunningCommand
from gateway.commands.journal import CommandJournal, JournalEntry
from gateway.commands.replies import ReplyAddress, ReplySender
from gateway.model.errors import Fault, TransientError
from gateway.model.event import Event
from gateway.mqtt.epoch import now_ms
from gateway.mqtt.payloads.command import Reply
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import Bus, Clock, Events, InboundMessage, OutboundMessage
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import RateLimiter, TokenBucket

WAITING = 64
"""Messages that may wait to be looked at."""

REFUSALS_PER_MIN, REFUSALS = 120, 60
"""So many refusals are answered and told; of whoever goes on they are counted."""

REPEATS_PER_MIN, REPEATS = 120, 60
"""So many commands that were done before are answered again."""


class CommandDispatcher:
    """Does what the centre asks, once.

    Args:
        own: Our topics.
        gate: Says what is taken.
        journal: Knows what was taken before.
        limits: How much may be asked.
        answers: Takes the answers.
        bus: Is told when a command is safe with us.
        events: Is told who asked for what, and what came of it.
        boot: Id of the machine's boot.
        clock: Monotonic.
    """

    def __init__(
        self,
        own: Topics,
        *,
        gate: CommandAdmission,
        journal: CommandJournal,
        limits: RateLimiter,
        answers: ReplySender,
        bus: Bus,
        events: Events,
        boot: str,
        clock: Clock,
    ) -> None:
        self._own = own
        self._gate = gate
        self._journal = journal
        self._limiter = limits
        self._answers = answers
        self._bus = bus
        self._events = events
        self._boot = boot
        self._clock = clock
        self._workshop = CommandExecutor(
            journal, answers=answers, events=events, boot=boot, clock=clock
        )
        self._messages: asyncio.Queue[tuple[float, str, InboundMessage]] = asyncio.Queue(
            maxsize=WAITING
        )
        self._refusals = TokenBucket(REFUSALS_PER_MIN, REFUSALS, clock=clock)
        self._repeats = TokenBucket(REPEATS_PER_MIN, REPEATS, clock=clock)
        self._dropped = RateLimitedLog("commands", "messages dropped", clock=clock)
        self._unsaid = RateLimitedLog("commands", "answers not told", clock=clock)

    def deliver(self, place: ParsedTopic, message: InboundMessage) -> None:
        """Take a message from the link; returns at once."""
        try:
            self._messages.put_nowait((self._clock.now(), place.levels["name"], message))
        except asyncio.QueueFull:
            self._dropped.count(message.topic)
            self._bus.acknowledge(message)

    def greeting(self) -> Iterator[OutboundMessage]:
        """What is said on a connection: answers that nobody could hear."""
        return self._answers.greeting()

    async def run(self) -> None:
        """Answer what was left unfinished, then take commands until cancelled."""
        try:
            await self._recover()
            async with asyncio.TaskGroup() as group:
                while True:
                    arrived_s, name, message = await self._messages.get()
                    work = await self._take(arrived_s, name, message)
                    if work is not None:
                        group.create_task(self._workshop.do(work), name=f"command:{name}")
        finally:
            self._journal.close()

    async def _recover(self) -> None:
        """Say what became of the commands that were in work when we last ended."""
        try:
            unfinished = await asyncio.to_thread(self._journal.unfinished)
        except TransientError as error:
            self._events.record(Event("command.journal", {"why": error.reason.value}))
            return
        for entry in unfinished:
            command = self._gate.catalogue.get(entry.name)
            if command is not None and command.survives_restart and entry.boot != self._boot:
                reply = self._answers.reply(entry.id, "succeeded", result={"boot": self._boot})
            else:
                reply = self._answers.reply(entry.id, "failed", code="interrupted")
            address = ReplyAddress.of(self._own, entry.topic, entry.correlation)
            if address is not None:  # else the gateway has been given another name
                await self._workshop.conclude(entry, address, reply)

    async def _take(
        self, arrived_s: float, name: str, message: InboundMessage
    ) -> RunningCommand | None:
        """Return what is to be done now, if anything."""
        address = ReplyAddress.wanted(self._own, message)
        work = None
        try:
            if address is None:
                fault = Fault("", "response_topic", "answers go below our own up/rsp only")
                raise Refused(None, "forbidden", (fault,))
            admitted = self._gate.admit(name, message, arrived_s)
            work = await self._begin(admitted, address)
        except Refused as refused:
            self._refuse(name, address, refused)
        self._bus.acknowledge(message)
        return work

    async def _begin(self, admitted: Admitted, address: ReplyAddress) -> RunningCommand | None:
        """Begin *admitted*, unless the disk is in trouble. Raises Refused."""
        try:
            return await self._note(admitted, address)
        except TransientError as error:  # without a journal it could be done twice
            code = error.reason.value
            failed = self._answers.reply(admitted.asked.id, "failed", code=code)
            self._answers.say(address, failed)
            return None

    async def _note(self, admitted: Admitted, address: ReplyAddress) -> RunningCommand | None:
        """Note *admitted*; None if there is nothing to do. Raises Refused, TransientError."""
        asked = admitted.asked
        before = await self._before(admitted)
        if before is not None:
            if self._repeats.try_acquire():
                self._answers.say(address, before)
            else:
                self._unsaid.count(admitted.command.name)
            return None
        who = f"{admitted.key_id}/{asked.actor}"  # one key signs for all of a centre's people
        if not self._limiter.try_acquire(who):
            raise Refused(asked.id, "rate_limited")
        if self._clock.now() >= admitted.until_s:
            raise Refused(asked.id, "expired")
        if asked.dry_run:
            would = {"would": dict(admitted.plan)}
            self._answers.say(address, self._answers.reply(asked.id, "succeeded", result=would))
            return None
        if not self._workshop.hands.are_free(admitted):
            raise Refused(asked.id, "busy")
        entry = self._entry(admitted, address)
        self._workshop.hands.begin(admitted)
        try:
            await asyncio.to_thread(self._journal.note, entry)
        except BaseException:
            self._workshop.hands.end(admitted)
            raise
        facts = {"plan": dict(admitted.plan), "why": asked.reason, "kid": admitted.key_id}
        facts = self._answers.without_secrets(facts)
        self._workshop.audit(entry, "accepted", requester=address.requester, **facts)
        self._answers.say(address, self._answers.reply(asked.id, "accepted"))
        return RunningCommand(admitted, entry, address)

    async def _before(self, admitted: Admitted) -> Reply | None:
        """Return what was said to the same command before. Raises Refused, TransientError."""
        asked = admitted.asked
        entry = await asyncio.to_thread(self._journal.find, asked.id)
        if entry is None:
            if admitted.command.signed and await asyncio.to_thread(
                self._journal.forgotten, asked.id
            ):
                raise Refused(asked.id, "expired", (Fault("/id", "old", "its id is too old"),))
            return None
        if entry.digest != admitted.digest:
            fault = Fault("/id", "used", "another command had this id")
            raise Refused(asked.id, "bad_args", (fault,))
        if entry.answer is None and asked.id in self._workshop.hands.ids:
            return self._answers.reply(asked.id, "running")
        if entry.answer is None:  # its end could not be kept, or not be told when we came back
            return self._answers.reply(asked.id, "failed", code="interrupted")
        return Reply.model_validate_json(entry.answer)

    def _refuse(self, name: str, address: ReplyAddress | None, refused: Refused) -> None:
        """Answer where we may, and tell who has asked for what we do not do."""
        if not self._refusals.try_acquire():
            self._unsaid.count(name)
            return
        if address is not None:
            reply = self._answers.rejected(refused.command_id, refused.code, refused.faults)
            self._answers.say(address, reply)
        faults = [f"{fault.at} {fault.code}".strip() for fault in refused.faults]
        facts: dict[str, object] = {"name": name, "st": "rejected", "code": refused.code}
        facts |= {"cmd": refused.command_id, "errors": faults}
        facts |= {"requester": None if address is None else address.requester}
        told = {key: value for key, value in facts.items() if value}
        self._events.record(Event("command", told, "audit"))

    def _entry(self, admitted: Admitted, address: ReplyAddress) -> JournalEntry:
        return JournalEntry(
            id=admitted.asked.id,
            digest=admitted.digest,
            name=admitted.command.name,
            actor=admitted.asked.actor,
            signed=admitted.command.signed,
            topic=address.topic,
            correlation=address.correlation,
            boot=self._boot,
            taken_ms=now_ms(),
        )
