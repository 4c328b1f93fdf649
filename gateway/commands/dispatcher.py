"""Receives commands, has each checked, recorded and executed once.

A command is checked, recorded on the disk, answered with ``accepted`` and only then acknowledged to
the broker. So a power cut at any moment neither loses a command that the broker thinks we have nor
makes us execute one twice. Commands are not queued: what cannot start now is ``busy``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

from gateway.commands.admission import AdmittedCommand, CommandAdmission, CommandRefused
from gateway.commands.executor import CommandExecutor, RunningCommand
from gateway.commands.journal import CommandJournal, JournalEntry
from gateway.commands.replies import ReplyAddress, ReplySender
from gateway.model.errors import Fault, TransientError
from gateway.model.event import Event
from gateway.mqtt.payloads.command import Reply
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import Bus, Clock, Events, InboundMessage, OutboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import RateLimiter, TokenBucket
from gateway.runtime.repeated_events import RepeatedEvents

QUEUED = 64
"""Messages that may wait to be checked; more are dropped."""

REFUSALS_PER_MIN, REFUSALS = 120, 60
"""Refusals that are answered, a minute and at once; more are counted in the log."""

REPEATS_PER_MIN, REPEATS = 120, 60
"""Repeated commands that are answered again, a minute and at once."""

CHECK_JOURNAL_S, RETRY_S = 3600.0, 5.0
"""Between two tries of a journal that takes what it is given, and of one that refuses. A try writes
8 kB to the card."""


class CommandDispatcher:
    """Executes the centre's commands, each once.

    Args:
        own: Our topics.
        admission: Checks commands.
        journal: Knows the commands of the last days.
        limiter: How many may be asked for.
        replies: Sends replies.
        bus: Acknowledges a command once it is on the disk.
        events: Records the audit.
        refusals: Records what is refused.
        boot: Id of the machine's boot.
        clock: Monotonic.
    """

    def __init__(
        self,
        own: Topics,
        *,
        admission: CommandAdmission,
        journal: CommandJournal,
        limiter: RateLimiter,
        replies: ReplySender,
        bus: Bus,
        events: Events,
        refusals: RepeatedEvents,
        boot: str,
        clock: Clock,
    ) -> None:
        self._own = own
        self._admission = admission
        self._journal = journal
        self._journal_refused = asyncio.Event()
        self._limiter = limiter
        self._replies = replies
        self._bus = bus
        self._events = events
        self._refused = refusals
        self._boot = boot
        self._clock = clock
        self._executor = CommandExecutor(journal, replies=replies, events=events, clock=clock)
        self._queue: asyncio.Queue[tuple[float, str, InboundMessage]] = asyncio.Queue(
            maxsize=QUEUED
        )
        self._answered_refusals = TokenBucket(REFUSALS_PER_MIN, REFUSALS, clock=clock)
        self._repeats = TokenBucket(REPEATS_PER_MIN, REPEATS, clock=clock)
        self._dropped = RateLimitedLog("commands", "messages dropped", clock=clock)
        self._unanswered = RateLimitedLog("commands", "commands not answered", clock=clock)

    def deliver(self, place: ParsedTopic, message: InboundMessage) -> None:
        """Queue a message of the MQTT client; returns at once. A full queue drops it."""
        try:
            self._queue.put_nowait((self._clock.now(), place.levels["name"], message))
        except asyncio.QueueFull:
            self._dropped.count(message.topic)
            self._bus.acknowledge(message)

    def greeting(self) -> Iterator[OutboundMessage]:
        """Yield what is published on a new connection: final replies that could not be sent."""
        return self._replies.pop_unsent()

    async def run(self) -> None:
        """Answer what was interrupted, then receive commands until cancelled."""
        try:
            await self._recover()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._check_journal(), name="journal")
                while True:
                    arrived_s, name, message = await self._queue.get()
                    try:
                        running = await self._handle(arrived_s, name, message)
                    except Exception as error:  # ends this command only
                        report_bug("command", error, name)
                        self._bus.acknowledge(message)
                        continue
                    if running is not None:
                        group.create_task(self._executor.execute(running), name=f"command:{name}")
        finally:
            self._journal.close()

    async def _check_journal(self) -> NoReturn:
        """Try the journal now and then, and while it refuses, so that its alarm is true."""
        while True:
            await asyncio.to_thread(self._journal.check)
            self._journal_refused.clear()
            within_s = CHECK_JOURNAL_S if self._journal.trouble is None else RETRY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._journal_refused.wait()

    async def _recover(self) -> None:
        """Send the final reply of each command that ran when the gateway last ended."""
        try:
            unfinished = await asyncio.to_thread(self._journal.unfinished)
        except TransientError as error:
            self._events.record(Event("command.journal", {"why": error.reason.value}))
            return
        for entry in unfinished:
            try:
                await self._recover_one(entry)
            except Exception as error:  # ends this reply only: the next start would do it again
                report_bug("command", error, entry.name)

    async def _recover_one(self, entry: JournalEntry) -> None:
        command = self._admission.registry.get(entry.name)
        survives = command is not None and command.spec.survives_restart
        if survives and entry.boot != self._boot:
            reply = self._replies.build(entry.id, "succeeded", result={"boot": self._boot})
        else:
            reply = self._replies.build(entry.id, "failed", code="interrupted")
        address = ReplyAddress.parse(self._own, entry.topic, entry.correlation)
        if address is not None:  # else the gateway has another id now
            await self._executor.finish(entry, address, reply)

    async def _handle(
        self, arrived_s: float, name: str, message: InboundMessage
    ) -> RunningCommand | None:
        """Check, record and acknowledge one message; return what is to be executed, if anything."""
        address = ReplyAddress.parse(self._own, message.response_topic, message.correlation_data)
        running = None
        try:
            if address is None:
                fault = Fault("", "response_topic", "answers go below our own up/rsp only")
                raise CommandRefused(None, "forbidden", (fault,))
            admitted = self._admission.admit(name, message, arrived_s)
            running = await self._accept(admitted, address)
        except CommandRefused as refused:
            self._refuse(name, address, refused)
        self._bus.acknowledge(message)
        return running

    async def _accept(
        self, admitted: AdmittedCommand, address: ReplyAddress
    ) -> RunningCommand | None:
        """Accept *admitted*; a disk that fails is answered. Raises CommandRefused."""
        try:
            return await self._accept_once(admitted, address)
        except TransientError as error:  # without a journal it could be executed twice
            self._journal_refused.set()
            code = error.reason.value
            failed = self._replies.build(admitted.request.id, "failed", code=code)
            self._replies.send(address, failed)
            return None

    async def _accept_once(
        self, admitted: AdmittedCommand, address: ReplyAddress
    ) -> RunningCommand | None:
        """Record *admitted* and answer ``accepted``; return None if nothing is to be executed.

        Raises:
            CommandRefused: It may not start.
            TransientError: The disk fails.
        """
        request = admitted.request
        previous = await self._previous_reply(admitted)
        if previous is not None:
            if self._repeats.try_acquire():
                self._replies.send(address, previous)
            else:
                self._unanswered.count(admitted.spec.name)
            return None
        requester = f"{admitted.key_id}/{request.actor}"  # a centre's people share one key
        if not self._limiter.try_acquire(requester):
            raise CommandRefused(request.id, "rate_limited")
        if self._clock.now() >= admitted.expires_s:
            raise CommandRefused(request.id, "expired")
        if request.dry_run:
            would = {"would": dict(admitted.plan)}
            self._replies.send(address, self._replies.build(request.id, "succeeded", result=would))
            return None
        concurrency = self._executor.concurrency
        if not concurrency.has_capacity(admitted):
            raise CommandRefused(request.id, "busy")
        entry = self._entry(admitted, address)
        concurrency.acquire(admitted)
        try:
            await asyncio.to_thread(self._journal.record, entry)
        except BaseException:
            concurrency.release(admitted)
            raise
        facts = {"plan": dict(admitted.plan), "why": request.reason, "kid": admitted.key_id}
        facts = self._replies.redact(facts)
        self._executor.audit(entry, "accepted", requester=address.requester, **facts)
        self._replies.send(address, self._replies.build(request.id, "accepted"))
        return RunningCommand(admitted, entry, address)

    async def _previous_reply(self, admitted: AdmittedCommand) -> Reply | None:
        """Return the reply to an earlier command with the same id; None if there was none.

        Raises:
            CommandRefused: The id was another command's, or is too old to be known.
            TransientError: The disk fails.
        """
        request = admitted.request
        entry = await asyncio.to_thread(self._journal.find, request.id)
        if entry is None:
            latest_ms = self._admission.time.latest_ms()
            if admitted.spec.signed and await asyncio.to_thread(
                self._journal.is_forgotten, request.id, latest_ms=latest_ms
            ):
                fault = Fault("/id", "old", "its id is too old")
                raise CommandRefused(request.id, "expired", (fault,))
            return None
        if entry.digest != admitted.digest:
            fault = Fault("/id", "used", "another command had this id")
            raise CommandRefused(request.id, "bad_args", (fault,))
        if entry.answer is None and request.id in self._executor.concurrency.ids:
            return self._replies.build(request.id, "running")
        if entry.answer is None:  # its end could not be stored
            return self._replies.build(request.id, "failed", code="interrupted")
        return Reply.model_validate_json(entry.answer)

    def _refuse(self, name: str, address: ReplyAddress | None, refused: CommandRefused) -> None:
        """Answer where that is allowed, and audit who asked for what is not done."""
        if not self._answered_refusals.try_acquire():
            self._unanswered.count(name)
        elif address is not None:
            reply = self._replies.build_rejection(refused.command_id, refused.code, refused.faults)
            self._replies.send(address, reply)
        faults = [f"{fault.at} {fault.code}".strip() for fault in refused.faults]
        facts: dict[str, object] = {"name": name, "st": "rejected", "code": refused.code}
        facts |= {"cmd": refused.command_id, "errors": faults}
        facts |= {"requester": None if address is None else address.requester}
        present = {key: value for key, value in facts.items() if value}
        known = name if name in self._admission.registry else ""
        requester = "" if address is None else address.requester
        refusal = Event("command", present, "audit")
        self._refused.record(refusal, known, refused.code, by=requester)

    def _entry(self, admitted: AdmittedCommand, address: ReplyAddress) -> JournalEntry:
        return JournalEntry(
            id=admitted.request.id,
            digest=admitted.digest,
            name=admitted.spec.name,
            actor=admitted.request.actor,
            signed=admitted.spec.signed,
            topic=address.topic,
            correlation=address.correlation,
            boot=self._boot,
            taken_ms=now_ms(),
        )
