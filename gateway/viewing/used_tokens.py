"""Which view tokens have been used, so that none is used twice, also over a restart.

Ids are kept in SQLite for `RETENTION_S` after their expiry: longer than a token is good, so that a
clock that is set back by less lets none be used again. A commit has survived kill -9 and a power
cut when it returns; whatever waits for one goes into the next together, so that nobody waits behind
the tokens of others.

Without a disk that takes the id nobody begins to watch: whoever could make the disk refuse and the
gateway restart could else use a token again. Viewings that run go on. Whoever starts without
knowing what was used before (the file was corrupt) refuses tokens that are older than the process.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.model.errors import TransientError, ViewerRejected
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.runtime.sqlite import SqliteFile, is_newer
from gateway.viewing.token import ViewClaims, reject

RETENTION_S = 86_400
"""How long an id is kept after its token's expiry."""

MAX_TOKENS = 20_000
"""Ids on the disk: 1.5 MB. Beyond that the oldest go, which have long expired."""

RECENT = 4096
"""Ids in memory."""

RETRY_S = 15.0
"""Between two tries while the disk refuses, so that it is known when it takes ids again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS used (
    id TEXT PRIMARY KEY, expires_s INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_expiry ON used (expires_s);
"""
_INSERT = "INSERT OR IGNORE INTO used VALUES (?, ?)"
_TOO_MANY = "SELECT id FROM used ORDER BY expires_s DESC LIMIT -1 OFFSET ?"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Use:
    """A token that waits to be stored.

    Attributes:
        is_new: Whether the disk did not know it.
        refused: Why the disk does not take it; None: it does.
    """

    token_id: str
    expires_s: int
    is_new: bool = False
    refused: TransientError | None = None


class UsedTokens:
    """The tokens that have been used.

    Args:
        path: SQLite file; its folder exists. A corrupt one is renamed to ``*.corrupt``.
        clock: Monotonic; begins when this process begins to admit viewers.
        wall_s: Seconds since 1970.
        retry_s: See `RETRY_S`.

    Attributes:
        trouble: Why the disk refused the last time; None: it did not.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        wall_s: Callable[[], float],
        retry_s: float = RETRY_S,
    ) -> None:
        self._file = SqliteFile(
            path,
            _TABLES,
            columns="SELECT id, expires_s FROM used LIMIT 0",
            checkpoint_pages=200,
            takes_back=True,
        )
        self._clock = clock
        self._wall_s = wall_s
        self._retry_s = retry_s
        self._refused = asyncio.Event()
        self._started_s = clock.now()
        self._recent: OrderedDict[str, None] = OrderedDict()
        # Filled by the loop, emptied by the thread; bounded by the offers that are pending.
        self._waiting: deque[_Use] = deque()
        self._thread = ThreadPoolExecutor(1, "used-tokens")
        self.trouble: TransientError | None = None
        self._remembers = True
        self._try()

    async def run(self) -> None:
        """Try again while the disk refuses, until cancelled; `close` comes after that."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self.trouble is None else self._retry_s):
                    await self._refused.wait()
            self._refused.clear()
            if self.trouble is not None:
                await loop.run_in_executor(self._thread, self._try)

    async def use(self, claims: ViewClaims) -> None:
        """Note that the token of *claims* is used; on return it is on the disk.

        Raises:
            ViewerRejected: 403, ``token.used``: it has been used, or may have been before the start
                of this process. 503: the disk does not take it; the reason says why.
        """
        if claims.token_id in self._recent:
            reject("token.used", "it has been used already")
        self._check_age(claims)
        self._recent[claims.token_id] = None
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        use = _Use(claims.token_id, claims.expires_s)
        self._waiting.append(use)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._insert_waiting)
        if use.refused is not None:
            self._refused.set()
            detail = "it cannot be noted that the token is used"
            raise ViewerRejected(503, use.refused.reason, detail)
        if not use.is_new:
            reject("token.used", "it has been used already")
        self._check_age(claims)  # once more: the file may have been replaced

    def close(self) -> None:
        """Close the file, once what is in work is written. Waits for the disk."""
        self._thread.submit(self._file.close)
        self._thread.shutdown()

    def _check_age(self, claims: ViewClaims) -> None:
        """Refuse what may have been used before. Raises ViewerRejected: 403, ``token.used``."""
        age_s, up_s = self._wall_s() - claims.issued_s, self._clock.now() - self._started_s
        if not self._remembers and age_s > up_s:
            reason = Reason.VIEW_TOKEN_EXPIRED
            reject("token.used", "it is older than this process, which knows no others", reason)

    def _try(self) -> None:
        """Find out whether the disk takes ids, with one that is deleted in the same commit."""
        with suppress(TransientError):
            self._insert([_Use("", 0)])

    def _insert_waiting(self) -> None:
        """Store what waits, and note for each what came of it. Waits for the disk."""
        uses = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not uses:  # those who came before have taken it along
            return
        try:
            self._insert(uses)
        except TransientError as error:
            for use in uses:
                use.refused = error

    def _insert(self, uses: list[_Use]) -> None:
        """Store *uses* in one commit and note which are new. Waits for the disk.

        Raises:
            TransientError: It refuses.
        """

        def insert(base: sqlite3.Connection) -> None:
            with base:
                for use in uses:
                    row = use.token_id, use.expires_s
                    use.is_new = base.execute(_INSERT, row).rowcount == 1
                _forget(base, round(self._wall_s()))

        try:
            self._file.transact(insert, on_replaced=self._on_replaced)
        except TransientError as error:
            if self.trouble is None:
                log.error("used_tokens_not_stored", reason=error.reason, detail=error.detail)
            self.trouble = error
            raise
        if self.trouble is not None:
            log.info("used_tokens_stored_again", path=str(self._file.path))
        self.trouble = None

    def _on_replaced(self, _base: sqlite3.Connection, why: sqlite3.Error) -> None:
        if not is_newer(why):
            log.error("used_tokens_corrupt", path=str(self._file.path), detail=str(why))
        self._remembers = False


def _forget(base: sqlite3.Connection, now_s: int) -> None:
    """Delete the ids that are too old or too many."""
    base.execute("DELETE FROM used WHERE expires_s < ?", (now_s - RETENTION_S,))
    base.execute(f"DELETE FROM used WHERE id IN ({_TOO_MANY})", (MAX_TOKENS,))
