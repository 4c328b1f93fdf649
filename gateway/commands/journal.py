"""Stores accepted commands and how they ended, so that none is executed twice.

A command is recorded before it is executed and before it is acknowledged to the broker. After a
crash or a power cut, those without an end are known and answered.

Entries are kept for 7 days and 20,000 commands. Of signed ones that were deleted the newest id is
kept, and no signed command with that id or an older one is accepted: the ids are ULIDs, which grow
with their issuer's clock. One of the future is not kept, or it would bar all others. A corrupt file
is set aside; then all commands signed before that moment count as deleted. Of all but the newest
thousand only a short answer is kept: 27 MB at most.

Calls block on the disk and on each other; call them from a thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from gateway.model.errors import TransientError
from gateway.model.names import first_ulid, new_id, ulid_ms
from gateway.runtime.sqlite import SqliteFile, is_newer
from gateway.runtime.trusted_time import SLOW_MS

RETENTION_MS = 7 * 86_400_000
MAX_COMMANDS = 20_000
FORGET_EVERY = 64
"""Commands between two deletions of what is too old."""

ANSWER_BYTES = 8192
"""Largest answer that is stored. A repeat of one with more gets its state without the result."""

FULL_ANSWERS, SHORT_BYTES = 1000, 512
"""How many answers are stored whole; older ones above that size lose their result."""

log = structlog.get_logger(__name__)

T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS command (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, name TEXT NOT NULL, actor TEXT NOT NULL,
    signed INTEGER NOT NULL, topic TEXT NOT NULL, correlation BLOB, boot TEXT NOT NULL,
    taken_ms INTEGER NOT NULL, answer BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON command (taken_ms);
CREATE TABLE IF NOT EXISTS floor (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One accepted command.

    Attributes:
        id: As its requester chose.
        digest: Of name and arguments; the same id with another digest is another command.
        name: Which.
        actor: For whom.
        signed: Whether it had to be signed.
        topic: Response topic.
        correlation: Correlation data of its replies.
        boot: Id of the machine's boot when it was accepted.
        taken_ms: Wall clock when it was accepted; only for deletion by age.
        answer: Its final reply as a JSON document; None: it has not ended.
    """

    id: str
    digest: bytes
    name: str
    actor: str
    signed: bool
    topic: str
    correlation: bytes | None
    boot: str
    taken_ms: int
    answer: bytes | None = None


_COLUMNS = "id, digest, name, actor, signed, topic, correlation, boot, taken_ms, answer"
_MARKS = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
_GONE = (
    "SELECT id FROM command WHERE (taken_ms < ? AND answer IS NOT NULL) OR id IN"
    " (SELECT id FROM command ORDER BY taken_ms DESC LIMIT -1 OFFSET ?)"
)
_SHORTEN = (
    "UPDATE command SET answer ="
    " CAST(json_set(CAST(answer AS TEXT), '$.res', json('{\"kept\":false}')) AS BLOB)"
    " WHERE length(answer) > ? AND json_valid(CAST(answer AS TEXT)) AND id IN"
    " (SELECT id FROM command ORDER BY taken_ms DESC LIMIT -1 OFFSET ?)"
)


class CommandJournal:
    """The journal in one SQLite file, which is created when it is first needed.

    Args:
        path: The file; a corrupt one is renamed to ``*.corrupt``.

    Attributes:
        trouble: Why the disk has refused the last time; None: it has not.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(
            path,
            _TABLES,
            columns=f"SELECT {_COLUMNS} FROM command LIMIT 0",
            checkpoint_pages=200,
            takes_back=True,
        )
        self._recorded = 0
        self.trouble: TransientError | None = None
        self._lock = threading.Lock()

    def find(self, command_id: str) -> JournalEntry | None:
        """Return what is known of *command_id*. Raises TransientError."""
        found = self._entries("WHERE id = ?", command_id)
        return found[0] if found else None

    def is_forgotten(self, command_id: str, *, latest_ms: int) -> bool:
        """Return whether a signed command of that id may be deleted.

        Args:
            command_id: Its id, a ULID.
            latest_ms: When it is now at the latest; a floor above it is from a wrong clock.

        Raises:
            TransientError: The disk fails.
        """
        row = self._transact(lambda base: base.execute("SELECT id FROM floor").fetchone())
        return row is not None and ulid_ms(row[0]) <= latest_ms and command_id <= row[0]

    def record(self, entry: JournalEntry) -> None:
        """Store *entry*; on return it survives a power cut. Raises TransientError."""
        values = tuple(getattr(entry, name) for name in _COLUMNS.split(", "))

        def insert(base: sqlite3.Connection) -> None:
            with base:
                base.execute(f"INSERT INTO command ({_COLUMNS}) VALUES ({_MARKS})", values)
                if self._recorded % FORGET_EVERY == 0:
                    _forget(base, entry.taken_ms)

        self._transact(insert)
        self._recorded += 1

    def finish(self, command_id: str, answer: bytes) -> None:
        """Store the final reply of a command, as `record` does. Raises TransientError."""

        def update(base: sqlite3.Connection) -> None:
            with base:
                base.execute("UPDATE command SET answer = ? WHERE id = ?", (answer, command_id))

        self._transact(update)

    def unfinished(self) -> tuple[JournalEntry, ...]:
        """Return the commands that have not ended, oldest first. Raises TransientError."""
        return self._entries("WHERE answer IS NULL ORDER BY taken_ms, id")

    def check(self) -> None:
        """Try to write; `trouble` tells what came of it."""

        def write(base: sqlite3.Connection) -> None:
            with base:
                base.execute("INSERT INTO floor VALUES (1, '') ON CONFLICT DO UPDATE SET id = id")
                base.execute("DELETE FROM floor WHERE id = ''")

        with suppress(TransientError):
            self._transact(write)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* returns; a corrupt file is replaced. Raises TransientError."""
        with self._lock:
            try:
                done = self._file.transact(work, on_replaced=self._on_replaced)
            except TransientError as error:
                if self.trouble is None:
                    log.error("command_journal_refused", reason=error.reason, detail=error.detail)
                self.trouble = error
                raise
            if self.trouble is not None:
                log.info("command_journal_stored_again")
            self.trouble = None
            return done

    def _on_replaced(self, base: sqlite3.Connection, why: sqlite3.Error) -> None:
        """Note that all that was signed until now is deleted."""
        if not is_newer(why):
            log.error("command_journal_corrupt", path=str(self._file.path), detail=str(why))
        with base:
            base.execute("INSERT INTO floor VALUES (1, ?)", (new_id(),))

    def _entries(self, which: str, *values: str) -> tuple[JournalEntry, ...]:
        asked = f"SELECT {_COLUMNS} FROM command {which}"
        rows = self._transact(lambda base: base.execute(asked, values).fetchall())
        return tuple(JournalEntry(*row) for row in rows)


def _forget(base: sqlite3.Connection, now_ms: int) -> None:
    """Delete what is too old or too much; commands that have not ended only if too many."""
    bounds = (now_ms - RETENTION_MS, MAX_COMMANDS)
    latest = first_ulid(now_ms + SLOW_MS)
    base.execute("DELETE FROM floor WHERE id >= ?", (latest,))
    newest = f"SELECT max(id) FROM command WHERE signed AND id IN ({_GONE}) AND id < ?"
    (floor,) = base.execute(newest, (*bounds, latest)).fetchone()
    if floor is not None:
        raised = "INSERT INTO floor VALUES (1, ?) ON CONFLICT DO UPDATE SET id = max(id, ?)"
        base.execute(raised, (floor, floor))
    base.execute(f"DELETE FROM command WHERE id IN ({_GONE})", bounds)
    base.execute(_SHORTEN, (SHORT_BYTES, FULL_ANSWERS))
