"""Puts audit events into the chain: on the disk first, then on their way to the centre.

Implements `gateway.ports.Events`. What is published is therefore in the file; after a crash what
is in the file and may not have been handed on is handed on again: whoever reads knows it by its
hash. A disk that refuses holds nothing up: entries wait in memory and are written later.

A viewing that had no end when the process ended gets one at the next start, ``crash``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from gateway.audit.chain import GENESIS, AuditEntry, Head, append
from gateway.audit.store import AuditStore, StoredAudit
from gateway.model.errors import MessageRejected, TransientError
from gateway.model.event import Event
from gateway.ports import Events

WAITING = 1000
"""Entries that wait for the disk, at most; beyond that the oldest are not kept here."""

RETRY_S = 5.0
"""Between two tries when the disk refuses."""

LAST_COMMIT_S = 1.0
"""How long the last commit may take when the gateway stops."""

log = structlog.get_logger(__name__)


class AuditLog:
    """Chains, stores and hands on audit events; all others are handed on as they are.

    Args:
        store: The file.
        events: Where they go then.
        wall_ms: Milliseconds since 1970.
        retry_s: See `RETRY_S`.

    Attributes:
        trouble: Why the disk refused the last time; None: it did not.
    """

    def __init__(
        self,
        store: AuditStore,
        *,
        events: Events,
        wall_ms: Callable[[], int],
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._events = events
        self._wall_ms = wall_ms
        self._retry_s = retry_s
        self._unsaved: list[AuditEntry] = []
        self._unsent: list[AuditEntry] = []
        self._sent = 0
        self._thread = ThreadPoolExecutor(1, "audit")  # one commit at a time, also at the end
        self._wakeup = asyncio.Event()
        self.trouble: TransientError | None = None
        self._head = self._resume(store.load())

    @property
    def head(self) -> Head:
        """The newest entry."""
        return self._head

    def record(self, event: Event) -> None:
        """See `gateway.ports.Events`."""
        if event.weight != "audit":
            self._events.record(event)
            return
        try:
            entry = append(self._head, event, self._wall_ms())
        except MessageRejected as error:
            log.error("event_not_chained", kind=event.kind, detail=error.detail)
            self._events.record(event)
            return
        self._head = entry.head
        self._unsaved.append(entry)
        self._unsent.append(entry)
        self._wakeup.set()

    async def run(self) -> None:
        """Store and hand on until cancelled, and the rest before returning."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if self.trouble is None else self._retry_s):
                        await self._wakeup.wait()
                self._wakeup.clear()
                await self._save()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_COMMIT_S):
                    await self._save()
                    await self._save()  # that it has been handed on
            self._hand_on(len(self._unsent))
            self._thread.submit(self._store.close)
            self._thread.shutdown(wait=False)

    async def _save(self) -> None:
        batch, sent, waiting = tuple(self._unsaved), self._sent, len(self._unsent)
        loop = asyncio.get_running_loop()
        why = await loop.run_in_executor(self._thread, self._store.append, batch, sent)
        if why is None:
            del self._unsaved[: len(batch)]
        elif self.trouble is None:
            log.error("audit_not_stored", reason=why.reason, detail=why.detail)
        elif len(self._unsaved) > WAITING:
            log.error("audit_entries_dropped", count=len(self._unsaved) - WAITING)
            del self._unsaved[:-WAITING]
        if why is None and self.trouble is not None:
            log.info("audit_stored_again")
        self.trouble = why
        self._hand_on(waiting)

    def _hand_on(self, count: int) -> None:
        entries, self._unsent = self._unsent[:count], self._unsent[count:]
        for entry in entries:
            self._events.record(Event(str(entry.tree["type"]), entry.facts, "audit"))
            self._sent = entry.head.seq

    def _resume(self, stored: StoredAudit) -> Head:
        """Go on where the process before this one has stopped; return the head."""
        if stored.head is None:
            # Greater than every number before, so that the file can take both chains.
            self._head = Head(self._wall_ms(), GENESIS)
            self._sent = self._head.seq
            self.record(Event("audit.restarted", {"why": "unreadable"}, "audit"))
            return self._head
        self._head, self._sent = stored.head, stored.published
        self._unsent += (each for each in stored.recent if each.head.seq > stored.published)
        for facts in _unended(stored.recent):
            self.record(Event("session", {**facts, "act": "end", "why": "crash"}, "audit"))
        if self._unsent:
            self._wakeup.set()
        return self._head


def _unended(entries: tuple[AuditEntry, ...]) -> list[dict[str, object]]:
    """Return the facts of each viewing in *entries* that has begun and not ended."""
    running: dict[tuple[object, object], dict[str, object]] = {}
    for entry in entries:
        facts = {
            name: fact
            for name, fact in entry.facts.items()
            if name not in ("seq", "prev", "at", "hash")
        }
        key = (facts.get("viewer"), facts.get("sid"))
        if entry.tree["type"] == "session" and facts.get("act") in ("begin", "renew"):
            running[key] = facts
        elif entry.tree["type"] == "session" and facts.get("act") == "end":
            running.pop(key, None)
    return list(running.values())
