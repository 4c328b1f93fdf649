"""The redactor: every text that leaves this process passes it and loses its secrets.

Two methods: known secrets (every password that is read is added) are replaced in each spelling that
a log line may have; and places where secrets stand by their nature are emptied: user and password
in URLs, Authorization headers, password parameters.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST_CHARS = 4
"""Shorter secrets are not replaced, since they occur in ordinary words."""

_KEYS = re.compile(r"password|passwd|secret|credential|authorization|token", re.IGNORECASE)
_HIDE = rf"\g<1>{HIDDEN}"
_PLACES = (
    # rtsp://user:password@host; unencoded @ and / in passwords are common, so up to the last @
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s\"'<>]*@"), rf"\g<1>{HIDDEN}@"),
    (re.compile(r"(?i)\b((?:proxy-)?authorization\b[\"']?\s*[:=]\s*)[^\r\n]+"), _HIDE),
    (re.compile(r"\b(Digest\s+)\w+=[^\r\n]+"), _HIDE),
    (re.compile(r"\b((?:Basic|Bearer)\s+)[\w+/.=-]{8,}"), _HIDE),
    (re.compile(r"(?i)((?:password|passwd|pwd|pass)=)[^&\s\"']*"), _HIDE),
)


def redact_patterns(text: str) -> str:
    """Return *text* with URLs, headers and parameters freed of secrets."""
    for place, instead in _PLACES:
        text = place.sub(instead, text)
    return text


class Redactor:
    """Hides the secrets of this process. They cannot be read from it."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add_secret(self, secret: str, *, username: str | None = None) -> None:
        """Hide *secret* from now on in every spelling; with *username* also in HTTP Basic form."""
        if len(secret) < SHORTEST_CHARS:
            return
        self._spellings |= set(_spellings(secret))
        if username is not None:
            self._spellings.add(base64.b64encode(f"{username}:{secret}".encode()).decode())
        longest_first = sorted(self._spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact_known(self, text: str) -> str:
        """Return *text* without known secrets."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def redact_text(self, text: str) -> str:
        """Return *text* without known secrets and without those found by their place."""
        return redact_patterns(self.redact_known(text))

    def redact_value(self, value: object, key: str = "") -> object:
        """Return *value* of a log line without secrets.

        Numbers, booleans and None stay. Anything else is hidden whole if *key* names a secret.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if _KEYS.search(key):
            return HIDDEN
        if isinstance(value, Mapping):
            return {
                self.redact_text(str(name)): self.redact_value(each, str(name))
                for name, each in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.redact_value(each) for each in value]
        return self.redact_text(value if isinstance(value, str) else str(value))


def _spellings(secret: str) -> tuple[str, ...]:
    return (
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(secret.encode())[2:-1],
        base64.b64encode(secret.encode()).decode(),
    )
