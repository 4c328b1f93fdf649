"""Which view tokens have been used, so that none is used twice, also over a restart.

Ids are kept in SQLite for `RETENTION_S` after their expiry: longer than a token is good, so that a
clock that is set back by less lets none be used again. A commit has survived kill -9 and a power
cut when it returns.

A disk that refuses costs no viewing: the ids are then kept in memory. Whoever starts without
knowing what was used before (the file cannot be read or written, or was corrupt) refuses tokens
that are older than the process itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.runtime.sqlite import SqliteFile, is_corrupt, quarantine
from gateway.viewing.token import ViewClaims, reject

RETENTION_S = 86_400
"""How long an id is kept after its token's expiry."""

MAX_TOKENS = 20_000
"""Ids on the disk: 1.5 MB. Beyond that the oldest go, which have long expired."""

RECENT = 4096
"""Ids in memory."""

_TABLES = """
CREATE TABLE IF NOT EXISTS used (
    id TEXT PRIMARY KEY, expires_s INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_expiry ON used (expires_s);
"""
_TOO_MANY = "SELECT id FROM used ORDER BY expires_s DESC LIMIT -1 OFFSET ?"

log = structlog.get_logger(__name__)


class UsedTokens:
    """The tokens that have been used.

    Args:
        path: SQLite file; its folder exists. A corrupt one is renamed to ``*.corrupt``.
        clock: Monotonic; begins when this process begins to admit viewers.
        wall_s: Seconds since 1970.

    Attributes:
        refusing: Whether the disk refused the last time.
    """

    def __init__(self, path: Path, *, clock: Clock, wall_s: Callable[[], float]) -> None:
        self._file = SqliteFile(path, _TABLES, checkpoint_pages=200)
        self._clock = clock
        self._wall_s = wall_s
        self._started_s = clock.now()
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "used-tokens")
        self.refusing = False
        self._remembers = self._load()

    async def use(self, claims: ViewClaims) -> None:
        """Note that the token of *claims* is used; on return it is on the disk, if that takes it.

        Raises:
            ViewerRejected: 403, ``token.used``: it has been used, or may have been before the start
                of this process.
        """
        if claims.token_id in self._recent:
            reject("token.used", "it has been used already")
        age_s, up_s = self._wall_s() - claims.issued_s, self._clock.now() - self._started_s
        if not self._remembers and age_s > up_s:
            reason = Reason.VIEW_TOKEN_EXPIRED
            reject("token.used", "it is older than this process, which knows no others", reason)
        self._recent[claims.token_id] = None
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        loop = asyncio.get_running_loop()
        noted = loop.run_in_executor(self._thread, self._insert, claims.token_id, claims.expires_s)
        if not await noted:
            reject("token.used", "it has been used already")

    def close(self) -> None:
        """Close the file, once what is in work is written. Waits for the disk."""
        self._thread.submit(self._file.close)
        self._thread.shutdown()

    def _load(self) -> bool:
        """Return whether the file tells, and can take, all that is used."""
        try:
            base = self._file.connection()
            with base:
                _forget(base, round(self._wall_s()))
        except sqlite3.Error as error:
            self._on_error(error)
            return False
        return True

    def _insert(self, token_id: str, expires_s: int) -> bool:
        """Store an id; return whether it is new, or the disk does not tell. Waits for the disk."""
        try:
            base = self._file.connection()
            with base:
                base.execute("INSERT INTO used VALUES (?, ?)", (token_id, expires_s))
                _forget(base, round(self._wall_s()))
        except sqlite3.IntegrityError:
            return False
        except sqlite3.Error as error:
            self._on_error(error)
            return True
        if self.refusing:
            log.info("used_tokens_stored_again", path=str(self._file.path))
            self.refusing = False
        return True

    def _on_error(self, error: sqlite3.Error) -> None:
        """Log once that the disk refuses; set a corrupt file aside, so that a new one is made."""
        if not self.refusing:
            log.error("used_tokens_not_stored", path=str(self._file.path), detail=str(error))
        self.refusing = True
        self._file.close()
        if is_corrupt(error):
            try:
                quarantine(self._file.path)
            except OSError as refused:
                log.error("used_tokens_corrupt", path=str(self._file.path), detail=str(refused))


def _forget(base: sqlite3.Connection, now_s: int) -> None:
    """Delete the ids that are too old or too many."""
    base.execute("DELETE FROM used WHERE expires_s < ?", (now_s - RETENTION_S,))
    base.execute(f"DELETE FROM used WHERE id IN ({_TOO_MANY})", (MAX_TOKENS,))
