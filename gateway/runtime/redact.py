"""The redactor: every text that leaves this process passes it and loses its secrets.

Two methods: known secrets (every password that is read is added) are replaced in each spelling that
a log line may have; and places where secrets stand by their nature are emptied: user and password
in URLs, Authorization headers, password parameters.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from urllib.parse import quote, quote_plus

from gateway.runtime.plain_text import MAX_CHARS, cut, printable

HIDDEN = "***"
SHORTEST_CHARS = 4
"""Shorter secrets are not replaced, since they occur in ordinary words."""

MAX_ITEMS, MAX_DEPTH, MAX_KEY_CHARS = 64, 4, 100
"""What is left of a mapping or list in a log line."""

_KEYS = re.compile(r"password|passwd|secret|credential|authorization|token", re.IGNORECASE)
_HIDE = rf"\g<1>{HIDDEN}"
_SPARE_CHARS = 64
"""Longer than the names and schemes that secrets stand behind."""

_BREAK = re.compile(r"[\s\"'<>]")
_TOKEN = re.compile(r"[^\s\"'<>]++")
_SCHEME_END = re.compile(r"[A-Za-z0-9+.-]://")
_PLACES = (
    (re.compile(r"(?i)\b((?:proxy-)?authorization\b[\"']?\s*[:=]\s*)[^\r\n]+"), _HIDE),
    (re.compile(r"\b(Digest\s+)\w+=[^\r\n]+"), _HIDE),
    (re.compile(r"\b((?:Basic|Bearer)\s+)[\w+/.=-]{8,}"), _HIDE),
    (re.compile(r"(?i)((?:password|passwd|pwd|pass)=)[^&\s\"']*"), _HIDE),
)


def redact_patterns(text: str) -> str:
    """Return *text* with URLs, headers and parameters freed of secrets.

    It takes a time in proportion to the length of *text*, whatever that is.
    """
    if "://" in text and "@" in text:
        text = _TOKEN.sub(_hide_user, text)
    for place, instead in _PLACES:
        text = place.sub(instead, text)
    return text


def hide_logins(text: str) -> str:
    """Return *text* without what stands between the first :// and the last @ of each line.

    More than a login may go: for lines that are wrong, where nothing says what is what.
    """
    return "\n".join(map(_hide_login, text.split("\n")))


def _hide_login(line: str) -> str:
    begin, end = line.find("://"), line.rfind("@")
    return f"{line[: begin + 3]}{HIDDEN}{line[end:]}" if 0 <= begin < end - 2 else line


def _hide_user(token: re.Match[str]) -> str:
    """Hide user and password in a URL: ``rtsp://user:password@host``.

    Passwords with an @ or / that is not encoded are common, so it is all up to the last @.
    """
    text = token[0]
    scheme, at = _SCHEME_END.search(text), text.rfind("@")
    if scheme is None or at < scheme.end():
        return text
    return f"{text[: scheme.end()]}{HIDDEN}{text[at:]}"


class Redactor:
    """Hides the secrets of this process. They cannot be read from it.

    Args:
        sentences: Returns those that this program is made of (`gateway.runtime.own_words`): a
            secret inside one of them is left there. Asked when a secret is first found in a text.
    """

    def __init__(self, sentences: Callable[[], Collection[str]] = tuple) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._longest_chars = 0
        self._sentences = sentences
        self._own: tuple[str, ...] | None = None

    def add_secret(self, secret: str, *, username: str | None = None) -> None:
        """Hide *secret* from now on in every spelling; with *username* also in HTTP Basic form."""
        if len(secret) < SHORTEST_CHARS:
            return
        self._spellings |= set(_spellings(secret))
        if username is not None:
            self._spellings.add(base64.b64encode(f"{username}:{secret}".encode()).decode())
        longest_first = sorted(self._spellings, key=len, reverse=True)
        self._longest_chars = len(longest_first[0])
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        self._own = None

    def redact_cut(self, text: str, most: int) -> str:
        """Return `redact_text` of the first *most* characters of *text*; the rest costs nothing.

        No part of a secret is left where it was cut: as much more as a secret is long is looked
        at and then dropped, and a URL that was cut is hidden from its user on.
        """
        if len(text) <= most:
            return self.redact_text(text)
        spare = self._longest_chars + _SPARE_CHARS
        seen = text[: most + spare]
        user = seen.rfind("://") + len("://")
        if user > len("://") and not _BREAK.search(seen, user):
            seen = seen[:user] + HIDDEN
        shown = self.redact_text(seen)
        return f"{shown[: max(0, min(most, len(shown) - spare))]}… (+{len(text) - most})"

    def redact_known(self, text: str, *, own: Collection[str] = ()) -> str:
        """Return *text* without known secrets, but for those inside sentences that are our *own*.

        Only a sentence that holds the whole secret counts, so that no part of one is left.
        """
        if self._pattern is None or self._pattern.search(text) is None:
            return text
        kept = self._own_places(text, (*self._own_with_secrets(), *own))

        def hide(secret: re.Match[str]) -> str:
            inside = any(begin <= secret.start() and secret.end() <= end for begin, end in kept)
            return secret[0] if inside else HIDDEN

        return self._pattern.sub(hide, text)

    def _own_with_secrets(self) -> tuple[str, ...]:
        """Return those of our sentences that hold a secret; they are few."""
        if self._own is None:
            assert self._pattern is not None
            self._own = tuple(filter(self._pattern.search, self._sentences()))
        return self._own

    def _own_places(self, text: str, own: Collection[str]) -> list[tuple[int, int]]:
        """Return where in *text* a sentence of *own* stands that holds a secret."""
        assert self._pattern is not None
        places: list[tuple[int, int]] = []
        for sentence in own:
            at = text.find(sentence)
            if at >= 0 and self._pattern.search(sentence):
                while at >= 0:
                    places.append((at, at + len(sentence)))
                    at = text.find(sentence, at + 1)
        return places

    def redact_text(self, text: str, *, own: Collection[str] = ()) -> str:
        """Return *text* without known secrets and without those found by their place.

        Args:
            text: May quote anybody.
            own: As in `redact_known`.
        """
        return redact_patterns(self.redact_known(text, own=own))

    def redact_value(self, value: object, key: str = "", most: int = MAX_CHARS) -> object:
        """Return *value* of a log line: without secrets, bounded, and fit to be printed.

        Numbers, booleans and None stay. Anything else is hidden whole if *key* names a secret.
        Of a text *most* characters are left; of a mapping or list `MAX_ITEMS`, `MAX_DEPTH` deep.
        """
        return self._value(value, key, most, MAX_DEPTH)

    def _value(self, value: object, key: str, most: int, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if _KEYS.search(key[:MAX_KEY_CHARS]):
            return HIDDEN
        if isinstance(value, Mapping) and depth:
            return {
                self.plain(str(name), MAX_KEY_CHARS): self._value(each, str(name), most, depth - 1)
                for name, each in islice(value.items(), MAX_ITEMS)
            }
        if isinstance(value, list | tuple | set | frozenset) and depth:
            return [self._value(each, "", most, depth - 1) for each in islice(value, MAX_ITEMS)]
        return self.plain(value if isinstance(value, str) else str(value), most)

    def plain(self, text: str, most: int) -> str:
        """Return *text* without secrets, of at most about *most* characters, and `printable`."""
        return cut(printable(self.redact_cut(text, most)), most)


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
