"""Who may use the administrator's page: one browser for each one-time link.

Link and session are 256 random bits; the database has their hashes.
"""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.centre.enrolment.tables import AdminLinkRow, AdminSessionRow
from gateway.runtime.clock import now_ms

LINK_MS = 15 * 60_000
"""So long a link is good."""

SESSION_S = 4 * 3600
"""So long a browser is let in by it."""

LONGEST = 64
"""Characters of a token that are looked at."""


class AdminAccess:
    """Links and sessions in one database. All calls block."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def make_link(self) -> str:
        """Return a token that opens one session within `LINK_MS`; those that are over go."""
        token, now = secrets.token_urlsafe(32), now_ms()
        with Session(self._engine) as session, session.begin():
            for table in (AdminLinkRow, AdminSessionRow):
                session.execute(sa.delete(table).where(table.expires_ms < now))
            session.add(AdminLinkRow(digest=_digest(token), expires_ms=now + LINK_MS))
        return token

    def open_session(self, token: str) -> str | None:
        """Return the token of a new session for the link *token*; None: it is used or over."""
        now = now_ms()
        with Session(self._engine) as session, session.begin():
            used = session.execute(  # of two at once one wins
                sa.update(AdminLinkRow)
                .where(
                    AdminLinkRow.digest == _digest(token),
                    AdminLinkRow.used_ms.is_(None),
                    AdminLinkRow.expires_ms > now,
                )
                .values(used_ms=now)
                .returning(AdminLinkRow.digest)
            ).all()
            if not used:
                return None
            opened = secrets.token_urlsafe(32)
            row = AdminSessionRow(digest=_digest(opened), expires_ms=now + 1000 * SESSION_S)
            session.add(row)
            return opened

    def is_open(self, token: str) -> bool:
        """Return whether *token* is of a session that is not over."""
        with Session(self._engine) as session:
            row = session.get(AdminSessionRow, _digest(token))
            return row is not None and row.expires_ms > now_ms()


def _digest(token: str) -> str:
    """Return the hash of *token*, which may hold what is no Unicode: a stranger sends it."""
    return hashlib.sha256(token[:LONGEST].encode(errors="replace")).hexdigest()
