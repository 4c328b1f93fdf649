"""Writes the outbox to the disk: in batches, on a thread of its own.

All methods belong to the event loop. While the disk refuses, changes wait in memory and are tried
again; the outbox sends all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.mqtt.outbox.backlog import PendingRecord
from gateway.mqtt.outbox.store import DEAD_LETTERS, Batch, OutboxStore, StoredOutbox
from gateway.ports import Clock

GATHER_S = 0.05
"""How long a record waits for others, to be written in one commit."""

DELETE_WITHIN_S = 1.0
"""How long the disk may hold what the broker has acknowledged."""

RETRY_S = 5.0
"""Between two tries when the disk refuses."""

LAST_COMMIT_S = 1.0
"""How long the last commit may take when the gateway stops."""

log = structlog.get_logger(__name__)


class OutboxWriter:
    """Writes and deletes records in batches.

    Attributes:
        trouble: Why the disk has refused the last commit; None: it has not.

    Args:
        store: The file.
        clock: Monotonic.
        retry_s: Between two tries when the disk refuses; shorter in tests.
    """

    def __init__(self, store: OutboxStore, *, clock: Clock, retry_s: float = RETRY_S) -> None:
        self._store = store
        self._clock = clock
        self._retry_s = retry_s
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._unsaved: dict[int, PendingRecord | None] = {}
        self._writing: dict[int, PendingRecord | None] = {}
        self._on_disk: set[int] = set()
        self._dead: list[tuple[int, str, bytes]] = []
        self._lost: int | None = None
        self._wakeup, self._urgent = asyncio.Event(), asyncio.Event()
        self._turned = asyncio.Condition()
        self._saved = 0
        self.trouble: TransientError | None = None

    def load(self) -> StoredOutbox:
        """Return what the process before this one has left. Waits for the disk."""
        found = self._store.load()
        if found.last is None:
            self.trouble = TransientError(Reason.DISK_READONLY, "the outbox cannot be opened")
        self._on_disk = {stored.number for stored in found.records}
        return found

    @property
    def refusing(self) -> bool:
        """Whether the disk has refused the last commit."""
        return self.trouble is not None

    @property
    def waiting(self) -> int:
        """How many records are to be written or deleted."""
        return len(self._unsaved)

    def enqueue(self, row: PendingRecord) -> None:
        """Write *row* with the next batch."""
        row.saved = False
        self._unsaved[row.number] = row
        self._wakeup.set()
        self._urgent.set()

    def delete(self, number: int) -> None:
        """Delete that record with a later batch; one that was never written needs no deletion.

        Otherwise a disk that refuses for months would fill the memory with deletions.
        """
        if number in self._on_disk or number in self._writing:
            self._unsaved[number] = None
            self._wakeup.set()
        else:
            self._unsaved.pop(number, None)

    def add_dead_letter(self, row: PendingRecord, why: str) -> None:
        """Store *row* apart and delete it, because the broker refuses it for good."""
        self._dead = [*self._dead, (row.number, why, row.stored.payload)][-DEAD_LETTERS:]
        self.delete(row.number)

    def set_lost(self, count: int) -> None:
        """Store how many records are lost in all, with the next batch."""
        self._lost = count

    async def flush(self, number: int) -> None:
        """Return once that record is on the disk, or the disk refuses."""
        async with self._turned:
            await self._turned.wait_for(lambda: self._saved >= number or self.refusing)

    async def run(self, *, on_batch: Callable[[], None], on_recreated: Callable[[], None]) -> None:
        """Write until cancelled, and the last of it then.

        Args:
            on_batch: Called after each batch, written or refused.
            on_recreated: Called when the file was corrupt and was replaced by an empty one: the
                owner enqueues again all that it holds.
        """
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._retry_s if self.refusing else None):
                        await self._wakeup.wait()
                await self._gather()
                await self._save()
                if self._store.recreated:
                    self._store.recreated = False
                    self._on_disk.clear()
                    on_recreated()
                on_batch()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_COMMIT_S):
                    await self._save()
            self._thread.submit(self._store.close)
            self._thread.shutdown(wait=False)

    async def _gather(self) -> None:
        """Wait for more changes: briefly if a record is new, longer if there are only deletions."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DELETE_WITHIN_S):
                await self._urgent.wait()
        await self._clock.sleep(self._retry_s if self.refusing else GATHER_S)
        self._wakeup.clear()
        self._urgent.clear()

    async def _save(self) -> None:
        """Commit the changes. What the disk refuses waits for the next batch."""
        if not self._unsaved and not self.refusing:
            return
        rows, self._unsaved = self._unsaved, {}
        self._writing = rows
        dead, self._dead = self._dead, []
        lost, self._lost = self._lost, None
        saved = [row for row in rows.values() if row is not None]
        # A gap may grow while it is written: what is written is what it is now.
        stored = tuple(row.stored for row in saved)
        deletes = tuple(number for number, row in rows.items() if row is None)
        batch = Batch(stored, deletes, tuple(dead), lost)
        loop = asyncio.get_running_loop()
        why = await loop.run_in_executor(self._thread, self._store.save, batch)
        self._log_change(why)
        self._writing = {}
        if why is None:
            self._on_disk.update(row.number for row in saved)
            self._on_disk.difference_update(deletes)
            for row, was in zip(saved, stored, strict=True):
                row.saved = row.stored is was
            self._saved = max([self._saved, *rows])
        else:
            self._unsaved = {
                number: row
                for number, row in {**rows, **self._unsaved}.items()
                if row is not None or number in self._on_disk
            }
            self._dead = [*dead, *self._dead][-DEAD_LETTERS:]
            self._lost = lost if self._lost is None else self._lost
            self._wakeup.set()
        async with self._turned:
            self._turned.notify_all()

    def _log_change(self, why: TransientError | None) -> None:
        """Log once that the disk refuses, and once that it does so no more."""
        if why is not None and not self.refusing:
            log.warning("outbox_not_stored", reason=why.reason, detail=why.detail)
        elif why is None and self.refusing:
            log.info("outbox_stored_again")
        self.trouble = why
