"""How a SQLite file is opened so that it survives power cuts, and set aside when it is corrupt.

Write-ahead log and ``synchronous=FULL``: a commit has survived kill -9 and a power cut when it
returns. Calls block on the disk.

Sources: sqlite.org/wal.html; sqlite.org/pragma.html (synchronous, user_version).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOG_BYTES = 1_048_576
"""Of the write-ahead log, what is left on the disk after a checkpoint."""


class NewerSchemaError(sqlite3.DatabaseError):
    """A newer program has written the file; its tables may mean something else."""


def open_database(
    path: Path,
    tables: str,
    *,
    version: int = 0,
    busy_s: float = 5.0,
    checkpoint_pages: int = 1000,
) -> sqlite3.Connection:
    """Open *path*, which is created if need be; only its owner can read it.

    Args:
        path: In a folder that exists. Any thread may use the connection, one at a time.
        tables: Script that creates what is not there yet.
        version: Highest ``user_version`` that this program understands.
        busy_s: How long to wait for another connection that writes.
        checkpoint_pages: Length of the write-ahead log at which it is copied into the file.

    Raises:
        NewerSchemaError: The file's ``user_version`` is higher.
        sqlite3.OperationalError: The disk is full, read-only or not there.
        sqlite3.DatabaseError: Otherwise; `is_corrupt` tells whether the file is at fault.
    """
    try:  # SQLite gives its other files the same mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise sqlite3.OperationalError(str(error.strerror)) from None
    connection = sqlite3.connect(
        path, timeout=busy_s, check_same_thread=False, isolation_level="IMMEDIATE"
    )
    try:
        with closing(connection.execute("PRAGMA user_version")) as rows:
            (found,) = rows.fetchone()
        if found > version:
            raise NewerSchemaError(f"tables of version {found}; {version} is known here")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        connection.executescript(f"{tables}\nPRAGMA user_version = {version};")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


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
        busy_s: float = 1.0,
        checkpoint_pages: int = 1000,
    ) -> None:
        self.path = path
        self._tables = tables
        self._version = version
        self._busy_s = busy_s
        self._checkpoint_pages = checkpoint_pages
        self._connection: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        """Return the open connection. Raises as `open_database` does."""
        if self._connection is None:
            self._connection = open_database(
                self.path,
                self._tables,
                version=self._version,
                busy_s=self._busy_s,
                checkpoint_pages=self._checkpoint_pages,
            )
        return self._connection

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


def quarantine(path: Path) -> None:
    """Rename the file to ``*.corrupt``, for people to look at; a new one can take its name.

    Every connection to it is closed before. Raises OSError: the disk takes nothing.
    """
    path.replace(path.with_name(f"{path.name}.corrupt"))
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
