"""Who may use the set-up page: whoever reads the code on the terminal, in one browser."""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from enum import Enum, auto

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which people confuse: five bits a character."""

CODE_CHARS = 8
TRIES_OF_ONE, TRIES_OF_ALL = 5, 20
"""Wrong codes from one address, and from all: of 2^40. Then the page is closed to them, to all."""


class Verdict(Enum):
    """What becomes of whoever names a code."""

    WELCOME = auto()
    WRONG = auto()
    TAKEN = auto()
    SHUT = auto()


class Access:
    """One code, and the one session that it was given for.

    Attributes:
        code: What the person reads: eight of `ALPHABET` in two groups.
    """

    def __init__(self) -> None:
        self._wrong: Counter[str] = Counter()
        self._session = ""
        self.code = ""
        self.renew()

    @property
    def is_shut(self) -> bool:
        """Whether there were so many wrong codes that nobody is let in any more."""
        return self._wrong.total() >= TRIES_OF_ALL

    @property
    def is_taken(self) -> bool:
        """Whether a browser has come in."""
        return bool(self._session)

    def renew(self) -> None:
        """Make another code; the browser that was in is out."""
        plain = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARS))
        self.code = f"{plain[:4]}-{plain[4:]}"
        self._session = ""
        self._wrong.clear()

    def enter(self, code: str, client: str) -> tuple[Verdict, str]:
        """Return whether *client* may come in with *code*, and the secret of its session.

        Args:
            code: As typed; case, spaces and dashes do not matter.
            client: Its address.
        """
        if self.is_shut or self._wrong[client] >= TRIES_OF_ONE:
            return Verdict.SHUT, ""
        typed = "".join(char for char in code.upper() if char.isascii() and char.isalnum())
        if not hmac.compare_digest(typed, self.code.replace("-", "")):
            self._wrong[client] += 1
            return Verdict.WRONG, ""
        if self._session:
            return Verdict.TAKEN, ""
        self._session = secrets.token_urlsafe(32)
        return Verdict.WELCOME, self._session

    def is_in(self, session: str) -> bool:
        """Return whether *session* is that of the browser that came in."""
        return bool(self._session) and hmac.compare_digest(
            session.encode("utf-8", "replace"), self._session.encode()
        )
