"""The audit on the disk, in SQLite: entries are added at the end, and the oldest go.

A commit has survived kill -9 and a power cut when it returns. Of the entries that have gone the
last hash is kept, so that the rest can be verified from there on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.audit.chain import AuditEntry, ChainFault, Head, parse_entry
from gateway.config.signing import canonical_json
from gateway.model.errors import TransientError
from gateway.runtime.sqlite import (
    SqliteFile,
    is_corrupt,
    is_newer,
    open_read_only,
    quarantine,
    sqlite_error,
)
from gateway.runtime.strict_json import StrictJsonError, parse

AUDIT = "audit.db"
"""In the state folder."""

MAX_ENTRIES = 50_000
"""Entries that are kept: 25 MB; with 500 viewings a day for 50 days."""

RECENT = 5000
"""Entries at the end in which viewings without an end are looked for."""

FORGET_EVERY = 64
"""Commits between two looks for entries that are too many."""

ENTRY_BYTES = 65_536
"""Largest entry that is read; an event has at most so much."""

_TABLES = """
CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, tree BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS mark (
    name TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
"""
_SQLITE = b"SQLite format 3\0"
_SET = "INSERT OR REPLACE INTO mark VALUES (?, ?, ?)"
_LAST = "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1"
_MARK = "SELECT seq, hash FROM mark WHERE name = ?"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredAudit:
    """What the process before this one has left.

    Attributes:
        head: Of the chain; None: nobody knows, the file cannot be read.
        recent: The newest entries, at most `RECENT`, in order.
        published: Number of the last entry that is known to have been handed on.
    """

    head: Head | None
    recent: tuple[AuditEntry, ...] = ()
    published: int = 0


class AuditStore:
    """``audit.db`` in the state folder.

    Args:
        path: The file; a corrupt one is renamed to ``*.corrupt``, one of a newer program to
            ``*.version-N``: that chain has an end of its own, and is not taken back.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _TABLES, checkpoint_pages=200)
        self._commits = 0

    def load(self) -> StoredAudit:
        """Return what is stored. Waits for the disk."""
        try:
            base = self._file.connection()
            head = _head(base, _LAST) or _head(base, _MARK, "anchor") or Head()
            recent = tuple(
                entry
                for entry in _entries(base, max(0, head.seq - RECENT))
                if isinstance(entry, AuditEntry)
            )
            published = _head(base, _MARK, "published") or Head()
        except sqlite3.Error as error:
            self._on_error(error)
            return StoredAudit(None)
        return StoredAudit(head, recent, published.seq)

    def append(self, entries: Iterable[AuditEntry], published: int) -> TransientError | None:
        """Add *entries*, and note the last number that was handed on; return why not, or None."""
        rows = [(each.head.seq, each.head.hash, canonical_json(each.tree)) for each in entries]
        try:
            base = self._file.connection()
            with base:
                base.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)
                base.execute(_SET, ("published", published, ""))
                if self._commits % FORGET_EVERY == 0:
                    _forget(base)
        except sqlite3.Error as error:
            trouble = sqlite_error(self._file.path, error)
            self._on_error(error)
            return trouble
        self._commits += 1
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _on_error(self, error: sqlite3.Error) -> None:
        self.close()
        if is_corrupt(error):
            if not is_newer(error):
                log.error("audit_corrupt", path=str(self._file.path), detail=str(error))
            with suppress(OSError):  # then the next commit fails, and says why
                quarantine(self._file.path, error)


@dataclass(frozen=True, slots=True)
class AuditFile:
    """An audit as it lies on a disk: that of a gateway, or what it has published.

    Attributes:
        anchor: What was before the first entry; None: that is not known.
        entries: In order.
        faults: Of what is no entry.
    """

    anchor: Head | None
    entries: tuple[AuditEntry, ...]
    faults: tuple[ChainFault, ...]


def read_audit(path: Path) -> AuditFile:
    """Return the audit in *path*, also while a gateway writes it; nothing is changed.

    It is the file of a gateway, or holds events as they were published, one JSON object a line;
    events that are not in a chain are left out.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            return _read_database(path)
        file.seek(0)
        return _read_export(iter(lambda: file.readline(ENTRY_BYTES + 2), b""))


def _read_database(path: Path) -> AuditFile:
    try:
        with closing(open_read_only(path)) as base:
            anchor = _head(base, _MARK, "anchor") or Head()
            rows = tuple(_entries(base, -1))
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from None
    return _audit_file(anchor, rows)


def _read_export(lines: Iterator[bytes]) -> AuditFile:
    rows: list[AuditEntry | ChainFault] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            tree = parse(line, max_bytes=ENTRY_BYTES, control_characters=True).tree
        except StrictJsonError as error:
            rows.append(ChainFault(0, "form", f"line {number}: {error.flaw.message}"))
            continue
        entry = parse_entry(tree) if isinstance(tree, dict) else None
        if entry is not None:
            rows.append(entry)
    return _audit_file(None, rows)


def _audit_file(anchor: Head | None, rows: Iterable[AuditEntry | ChainFault]) -> AuditFile:
    rows = tuple(rows)
    return AuditFile(
        anchor,
        tuple(each for each in rows if isinstance(each, AuditEntry)),
        tuple(each for each in rows if isinstance(each, ChainFault)),
    )


def _entries(base: sqlite3.Connection, after: int) -> Iterator[AuditEntry | ChainFault]:
    query = "SELECT seq, hash, tree FROM entry WHERE seq > ? ORDER BY seq"
    with closing(base.execute(query, (after,))) as rows:
        for seq, digest, raw in rows:
            yield _entry(int(seq), str(digest), raw)


def _entry(seq: int, digest: str, raw: object) -> AuditEntry | ChainFault:
    blob = raw if isinstance(raw, bytes) else b""
    try:
        tree = parse(blob, max_bytes=ENTRY_BYTES, control_characters=True).tree
    except StrictJsonError:
        return ChainFault(seq, "form", "it is no JSON")
    entry = parse_entry(tree) if isinstance(tree, dict) else None
    if entry is None or entry.head != Head(seq, digest):
        return ChainFault(seq, "form", "it is no entry of that number and hash")
    return entry


def _head(base: sqlite3.Connection, query: str, *values: str) -> Head | None:
    row = base.execute(query, values).fetchone()
    return None if row is None else Head(int(row[0]), str(row[1]))


def _forget(base: sqlite3.Connection) -> None:
    """Delete the oldest entries if there are too many, and keep the hash of the last of them."""
    query = "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1 OFFSET ?"
    row = base.execute(query, (MAX_ENTRIES,)).fetchone()
    if row is not None:
        base.execute(_SET, ("anchor", *row))
        base.execute("DELETE FROM entry WHERE seq <= ?", (row[0],))
