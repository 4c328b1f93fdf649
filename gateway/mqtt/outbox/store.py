"""The outbox on the disk, in SQLite: records that the broker has not acknowledged.

A commit has survived kill -9 and a power cut when it returns. The disk holds a copy; what is sent
comes from memory, so that a disk that is full or read-only costs durability and no event.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import get_args

import structlog

from gateway.model.errors import TransientError
from gateway.model.event import Weight
from gateway.runtime.sqlite import (
    SqliteFile,
    is_corrupt,
    is_newer,
    open_read_only,
    quarantine,
    sqlite_error,
)

DEAD_LETTERS = 100
"""How many records that the broker refused for good are stored, for people to read."""

VERSION = 1
"""Of the tables (``user_version``). A program that only adds a column with a default keeps it."""

_TABLES = """
create table if not exists record (
    n integer primary key autoincrement, weight text not null, kind text not null,
    boot text not null, mono real not null, t integer not null, kept blob not null);
create table if not exists dead (n integer primary key, why text not null, kept blob not null);
create table if not exists tally (name text primary key, value integer not null);
"""

_COLUMNS = "n, weight, kind, boot, mono, t, kept"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record as it stands on the disk.

    Attributes:
        number: The key; grows for ever.
        weight: See `gateway.model.event.Event`.
        kind: Likewise.
        boot: Of the machine, when it happened.
        mono_s: Monotonic clock of that boot.
        time_ms: What the wall clock said then.
        payload: The event, as `payloads.event.encode_record` has made it.
    """

    number: int
    weight: Weight
    kind: str
    boot: str
    mono_s: float
    time_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit does.

    Attributes:
        upserts: New or changed.
        deletes: Numbers that are no longer wanted.
        dead: Those of them that the broker will never take, and why.
        lost: How many have been lost in all; None: as many as before.
    """

    upserts: tuple[StoredRecord, ...] = ()
    deletes: tuple[int, ...] = ()
    dead: tuple[tuple[int, str, bytes], ...] = ()
    lost: int | None = None


@dataclass(frozen=True, slots=True)
class StoredOutbox:
    """What the process before this one has left.

    Attributes:
        records: In order.
        last: The highest number ever given; None: nobody knows, because the disk takes nothing.
        lost: How many have been lost in all.
        corrupt: Whether there was a file that could not be read; it was set aside.
        newer: Whether that was whole, and of a newer program.
    """

    records: tuple[StoredRecord, ...] = ()
    last: int | None = None
    lost: int = 0
    corrupt: bool = False
    newer: bool = False


class OutboxStore:
    """``outbox.db`` in the state folder. Never raises because of the disk.

    Attributes:
        recreated: Whether a commit has found the file corrupt and set it aside: all that was in it
            is to be written again.

    Args:
        path: The file; its folder need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _TABLES, version=VERSION, takes_back=True)
        self.recreated = False

    def load(self) -> StoredOutbox:
        """Return what is stored. A corrupt file is renamed to ``outbox.db.corrupt``.

        One of a newer program becomes ``outbox.db.version-N``, which such a program takes back.
        """
        newer = False
        try:
            return self._loaded(corrupt=False)
        except sqlite3.OperationalError as error:  # full, read-only, not there: it may come back
            log.warning("outbox_read_only", path=str(self._file.path), detail=str(error))
            self.close()
            return self._load_read_only()
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            newer = is_newer(error)
            if not newer:
                log.error("outbox_corrupt", path=str(self._file.path), detail=str(error))
            self.close()
            self._quarantine(error)
        try:
            return replace(self._loaded(corrupt=True), newer=newer)
        except sqlite3.Error as error:
            log.warning("outbox_not_created", path=str(self._file.path), detail=str(error))
            self.close()
            return StoredOutbox(corrupt=True, newer=newer)

    def save(self, batch: Batch) -> TransientError | None:
        """Commit *batch* and wait for the disk; return None, or why it could not be."""
        try:
            connection = self._file.connection()
            with connection:
                _write(connection, batch)
        except sqlite3.DatabaseError as error:
            self.close()
            why = sqlite_error(self._file.path, error)
            if is_corrupt(error):
                self._quarantine(error)
                self.recreated = True
            return why
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _loaded(self, *, corrupt: bool) -> StoredOutbox:
        return _read(self._file.connection(), corrupt=corrupt)

    def _load_read_only(self) -> StoredOutbox:
        """Return what a disk holds that cannot be written any more."""
        try:
            with closing(open_read_only(self._file.path)) as db:
                return replace(_read(db, corrupt=False), last=None)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            log.warning("outbox_not_read", path=str(self._file.path), detail=str(error))
            return StoredOutbox()

    def _quarantine(self, why: Exception) -> None:
        with suppress(OSError):  # then the next save fails, and says why
            quarantine(self._file.path, why)


def _read(connection: sqlite3.Connection, *, corrupt: bool) -> StoredOutbox:
    with closing(connection.execute(f"select {_COLUMNS} from record order by n")) as rows:
        records = tuple(
            StoredRecord(int(n), weight, str(kind), str(boot), float(mono), int(time), bytes(kept))
            for n, weight, kind, boot, mono, time, kept in rows
            if weight in get_args(Weight)
        )
    last = _number(connection, "select seq from sqlite_sequence where name = 'record'")
    lost = _number(connection, "select value from tally where name = 'lost'")
    return StoredOutbox(records, last, lost, corrupt)


def _write(connection: sqlite3.Connection, batch: Batch) -> None:
    connection.executemany(
        f"insert or replace into record ({_COLUMNS}) values (?,?,?,?,?,?,?)",
        map(astuple, batch.upserts),
    )
    _each(connection, "delete from record where n = ?", batch.deletes)
    if batch.dead:
        connection.executemany("insert or replace into dead values (?,?,?)", batch.dead)
        connection.execute(
            "delete from dead where n not in (select n from dead order by n desc limit ?)",
            (DEAD_LETTERS,),
        )
    if batch == Batch():  # whether the disk takes anything again
        connection.execute("insert or replace into tally values ('tried', 1)")
    if batch.lost is not None:
        connection.execute("insert or replace into tally values ('lost', ?)", (batch.lost,))


def _each(connection: sqlite3.Connection, statement: str, numbers: Iterable[int]) -> None:
    connection.executemany(statement, ((number,) for number in numbers))


def _number(connection: sqlite3.Connection, query: str) -> int:
    with closing(connection.execute(query)) as rows:
        row = rows.fetchone()
    return 0 if row is None else int(row[0])
