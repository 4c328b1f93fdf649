"""How a SQLite file is opened so that it survives power cuts, and set aside when it cannot be used.

A corrupt one becomes ``*.corrupt``, for people to look at. One that a newer program has written, as
after a release that was undone, becomes ``*.version-N`` and is taken back once a program opens the
file that knows its version.

Write-ahead log and ``synchronous=FULL``: a commit has survived kill -9 and a power cut when it
returns. Calls block on the disk.

Sources: sqlite.org/wal.html; sqlite.org/pragma.html (synchronous, user_version).
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import structlog

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.runtime.descriptors import is_exhausted

T = TypeVar("T")

log = structlog.get_logger(__name__)

_NEWER = ".version-"
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOG_BYTES = 1_048_576
"""Of the write-ahead log, what is left on the disk after a checkpoint."""


class NotOpenedError(sqlite3.OperationalError):
    """The system does not open the file; `__cause__` is its error."""


class NewerSchemaError(sqlite3.DatabaseError):
    """Another program has written the file; its tables may mean something else.

    Attributes:
        version: Of its tables, higher than what is known here; 0: they only have another shape.
    """

    version = 0


def open_database(
    path: Path,
    tables: str,
    *,
    version: int = 0,
    columns: str = "",
    busy_s: float = 5.0,
    checkpoint_pages: int = 1000,
    takes_back: bool = False,
) -> sqlite3.Connection:
    """Open *path*, which is created if need be; only its owner can read it.

    Args:
        path: In a folder that exists. Any thread may use the connection, one at a time.
        tables: Script that creates what is not there yet.
        version: Highest ``user_version`` that this program understands.
        columns: A query of every column that this program uses; empty: nothing is asked.
        busy_s: How long to wait for another connection that writes.
        checkpoint_pages: Length of the write-ahead log at which it is copied into the file.
        takes_back: Whether rows of a file that was too new for another program, and is not for this
            one, are added; a row whose key is there already stays as it is.

    Raises:
        NewerSchemaError: The file's ``user_version`` is higher, or it lacks one of *columns*.
        sqlite3.OperationalError: The disk is full, read-only or not there (`NotOpenedError`: so the
            system says).
        sqlite3.DatabaseError: Otherwise; `is_corrupt` tells whether the file is at fault.
    """
    try:  # SQLite gives its other files the same mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise NotOpenedError(str(error.strerror)) from error
    connection = sqlite3.connect(
        path, timeout=busy_s, check_same_thread=False, isolation_level="IMMEDIATE"
    )
    try:
        with closing(connection.execute("PRAGMA user_version")) as rows:
            (found,) = rows.fetchone()
        if found > version:
            newer = NewerSchemaError(f"tables of version {found}; {version} is known here")
            newer.version = found
            raise newer
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        _create(connection, f"{tables}\nPRAGMA user_version = {version};", columns)
        if takes_back:
            _take_back(connection, path, version)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, tables: str, columns: str) -> None:
    """Run the script *tables*. Raises NewerSchemaError: what is there is of another shape."""
    try:
        connection.executescript(tables)
        connection.execute(columns).close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise NewerSchemaError(f"other tables: {error}") from None


def _take_back(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Add the rows of each ``*.version-N`` that is known here; what cannot be read stays there."""
    for aside in path.parent.glob(f"{path.name}{_NEWER}*"):
        number = aside.name.rpartition("-")[2]
        if not number.isdecimal() or int(number) > version:
            continue
        try:
            _add_rows(connection, aside)
        except sqlite3.Error as error:
            log.warning("newer_data_not_taken_back", path=str(aside), detail=str(error))
            continue
        log.info("newer_data_taken_back", path=str(aside))
        with suppress(OSError):  # then they are added once more, and are there already
            for ending in ("", "-wal", "-shm"):
                aside.with_name(aside.name + ending).unlink(missing_ok=True)


def _add_rows(connection: sqlite3.Connection, aside: Path) -> None:
    connection.execute("ATTACH ? AS aside", (str(aside),))
    try:
        with connection:
            for (table,) in connection.execute(_OWN_TABLES).fetchall():
                shared = connection.execute(_SHARED_COLUMNS, (table, table)).fetchall()
                names = ", ".join(f'"{name}"' for (name,) in shared)
                if names:
                    connection.execute(
                        f'INSERT OR IGNORE INTO main."{table}" ({names})'
                        f' SELECT {names} FROM aside."{table}"'
                    )
    finally:
        connection.execute("DETACH aside")


_OWN_TABLES = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
_SHARED_COLUMNS = (
    "SELECT name FROM pragma_table_info(?, 'main')"
    " INTERSECT SELECT name FROM pragma_table_info(?, 'aside')"
)


class SqliteFile:
    """A database that is opened when it is first needed, and again after it has been closed.

    Args:
        path: See `open_database`, as all others.
    """

    def __init__(
        self,
        path: Path,
        tables: str,
        *,
        version: int = 0,
        columns: str = "",
        busy_s: float = 1.0,
        checkpoint_pages: int = 1000,
        takes_back: bool = False,
    ) -> None:
        self.path = path
        self._tables = tables
        self._version = version
        self._columns = columns
        self._busy_s = busy_s
        self._checkpoint_pages = checkpoint_pages
        self._takes_back = takes_back
        self._connection: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        """Return the open connection. Raises as `open_database` does."""
        if self._connection is None:
            self._connection = open_database(
                self.path,
                self._tables,
                version=self._version,
                columns=self._columns,
                busy_s=self._busy_s,
                checkpoint_pages=self._checkpoint_pages,
                takes_back=self._takes_back,
            )
        return self._connection

    def transact(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        on_replaced: Callable[[sqlite3.Connection, sqlite3.Error], None],
    ) -> T:
        """Return what *work* returns, in the file or, if that is corrupt, in a new one.

        Args:
            work: Is called again with the new one, at most once.
            on_replaced: Called with the new one before, and with what was wrong with the other.

        Raises:
            TransientError: The disk refuses; the file is closed.
        """
        try:
            try:
                return work(self.connection())
            except sqlite3.DatabaseError as error:
                if not is_corrupt(error):
                    raise
                self._set_aside(error)
                on_replaced(self.connection(), error)
                return work(self.connection())
        except sqlite3.Error as error:
            self.close()
            raise sqlite_error(self.path, error) from None

    def _set_aside(self, why: sqlite3.Error) -> None:
        self.close()
        try:
            quarantine(self.path, why)
        except OSError as error:
            raise sqlite3.OperationalError(str(error.strerror)) from None

    def close(self) -> None:
        """Close the file, if it is open; after an error too, since the file may be another then."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open *path* on a disk that takes no writes; its write-ahead log is read if it has one.

    Raises:
        sqlite3.Error: There is no such file, or it cannot be read.
        OSError: Its folder cannot be read.
    """
    log = path.with_name(f"{path.name}-wal")
    # Without a log all is in the file, and nothing has to be made beside it to read it.
    how = "mode=ro" if log.exists() and log.stat().st_size > 0 else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Return whether *error* says that the file cannot be used, now or later."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return isinstance(error, NewerSchemaError) or code in _CORRUPT


def sqlite_error(path: Path, error: sqlite3.Error) -> TransientError:
    """Return *error* of the file *path* as a transient error with its reason.

    Sources: sqlite.org/rescode.html. SQLite says of a file that it cannot open, or whose index it
    cannot make larger, only that it cannot: then the disk is asked how much is free. What is
    not told apart by that is taken for a disk that is failing, which the detail tells.
    """
    return TransientError(_reason_of(path, error), f"cannot write {path}: {error}")


def _reason_of(path: Path, error: sqlite3.Error) -> Reason:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if is_corrupt(error):
        return Reason.DISK_CORRUPT
    if code == sqlite3.SQLITE_FULL or getattr(error.__cause__, "errno", 0) in _FULL:
        return Reason.DISK_FULL
    if is_exhausted():
        return Reason.DESCRIPTORS_LOW
    return Reason.DISK_FULL if _is_full(path) else Reason.DISK_READONLY


def _is_full(path: Path) -> bool:
    """Return whether the disk of *path* takes writes and is full."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    if disk.f_flag & os.ST_RDONLY:
        return False
    no_files = disk.f_files > 0 and disk.f_favail == 0
    return no_files or disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES


_FULL = {errno.ENOSPC, errno.EDQUOT}

LEAST_FREE_BYTES = 65_536
"""With less a write-ahead log and its index cannot be made."""


def is_newer(error: BaseException) -> bool:
    """Return whether *error* says that the file is whole, and too new for this program."""
    return isinstance(error, NewerSchemaError) and error.version > 0


def quarantine(path: Path, why: BaseException) -> None:
    """Rename the file for what is wrong with it, see above; a new one can take its name.

    Every connection to it is closed before. Raises OSError: the disk takes nothing.
    """
    if isinstance(why, NewerSchemaError) and why.version > 0:
        aside = path.with_name(f"{path.name}{_NEWER}{why.version}")
        log.warning("newer_data_set_aside", path=str(aside), detail=str(why))
        with suppress(FileNotFoundError):  # first: a power cut must not leave it to the new file
            path.with_name(f"{path.name}-wal").replace(aside.with_name(f"{aside.name}-wal"))
    else:
        aside = path.with_name(f"{path.name}.corrupt")
    path.replace(aside)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
