"""Authentication at a camera: Digest in all its algorithms, Basic only where allowed.

No I/O. A password is revealed here and nowhere else, and leaves only as a digest, or in clear
where the camera's configuration says so.

References: RFC 7616 (Digest), RFC 2069 (no qop), RFC 7617 (Basic).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import SecretStr

from gateway.model.errors import SourceRefused
from gateway.model.reasons import Reason
from gateway.rtsp.messages import Response
from gateway.runtime.plain_text import printable

ALGORITHMS = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
"""Strongest first; each also as ``-sess``."""

LOCKED_S = 1800.0
"""Brands lock a caller out for about half an hour."""

MOST_CHALLENGES = 8

_PARAMETER = re.compile(
    r'\s*+([A-Za-z0-9-]{1,32})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,;"]*+))\s*+[,;]?+'
)
_SCHEME = re.compile(r"\s*+(?:,\s*+)?([A-Za-z]++)(?:\s++(?=[A-Za-z0-9-]++\s*+=)|\s*+(?=,|$))")


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a camera.

    Attributes:
        username: As configured.
        password: Revealed only to make a digest, or for Basic.
        allow_basic: Whether it may be sent in clear.
    """

    username: str
    password: SecretStr
    allow_basic: bool = False


def login_of(
    username: str | None, password: SecretStr | None, *, allow_basic: bool
) -> Login | None:
    """Return the user of a camera; None: it has none. Without a password it is the empty one."""
    if username is None:
        return None
    return Login(username, SecretStr("") if password is None else password, allow_basic)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a 401 response.

    Attributes:
        scheme: ``digest`` or ``basic``.
        algorithm: As the camera spells it, in upper case; ``MD5`` if it does not say.
        stale: Only the nonce was too old; the password may be right.
    """

    scheme: str
    realm: str = ""
    nonce: str = ""
    opaque: str | None = None
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    stale: bool = False
    userhash: bool = False

    @property
    def rank(self) -> int:
        """How good this is, 0 being best; -1 if we cannot do it."""
        if self.scheme == "basic":
            return len(ALGORITHMS)
        strengths = list(ALGORITHMS)
        name = self.algorithm.removesuffix("-SESS")
        if not self.nonce or name not in strengths or (self.qop and "auth" not in self.qop):
            return -1
        return strengths.index(name)


def parse_challenges(response: Response) -> tuple[Challenge, ...]:
    """Return the challenges of a 401, in the order sent. Never raises."""
    found: list[Challenge] = []
    for text in response.headers.get_all("www-authenticate"):
        found.extend(_split(text))
    return tuple(found[:MOST_CHALLENGES])


def _split(text: str) -> Iterator[Challenge]:
    """Yield the challenges of one header field; several may share it (RFC 7235 §4.1)."""
    at = 0
    while match := _SCHEME.match(text, at):
        at = match.end()
        values: dict[str, str] = {}
        while pair := _PARAMETER.match(text, at):
            quoted = pair[2]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else pair[3]
            values.setdefault(pair[1].lower(), value)
            at = pair.end()
        if match[1].lower() in ("digest", "basic"):
            yield _challenge(match[1].lower(), values)
        if at == len(text):
            return


def _challenge(scheme: str, values: dict[str, str]) -> Challenge:
    return Challenge(
        scheme=scheme,
        realm=values.get("realm", ""),
        nonce=values.get("nonce", ""),
        opaque=values.get("opaque"),
        algorithm=values.get("algorithm", "MD5").upper() or "MD5",
        qop=tuple(word.strip().lower() for word in values.get("qop", "").split(",") if word),
        stale=values.get("stale", "").lower() == "true",
        userhash=values.get("userhash", "").lower() == "true",
    )


def choose_challenge(challenges: tuple[Challenge, ...], *, allow_basic: bool) -> Challenge:
    """Return the best of *challenges*.

    Raises:
        SourceRefused: None can be answered; says which were offered (`UNSUPPORTED_LOGIN`).
    """
    usable = [
        challenge
        for challenge in challenges
        if challenge.rank >= 0 and (challenge.scheme != "basic" or allow_basic)
    ]
    if usable:
        return min(usable, key=lambda challenge: challenge.rank)
    if not challenges:
        detail = "401 without a challenge that can be read"
    elif any(each.scheme == "digest" and not each.nonce for each in challenges):
        detail = "401 with a Digest challenge that cannot be read: it has no nonce"
    elif any(challenge.scheme == "digest" for challenge in challenges):
        offered = ", ".join(printable(challenge.algorithm[:20]) for challenge in challenges)
        detail = f"algorithm not supported: Digest {offered}; set RTSP Digest to SHA-256 or MD5"
    else:
        detail = "algorithm not supported: only Basic is offered, where it is not allowed"
    raise SourceRefused(Reason.UNSUPPORTED_LOGIN, detail, park_s=LOCKED_S)


@dataclass(slots=True)
class Credentials:
    """Answers one challenge; counts the requests (the nonce count of RFC 7616 §3.4)."""

    login: Login
    challenge: Challenge
    cnonce: str = field(default_factory=lambda: secrets.token_hex(8))
    _count: int = 0

    def authorization(self, method: str, url: str) -> str:
        """Return the value of the `Authorization` header for one request.

        Raises:
            SourceRefused: The user name, or the camera's challenge, would break the header.
        """
        value = self._basic() if self.challenge.scheme == "basic" else self._digest(method, url)
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            raise SourceRefused(
                Reason.AUTH_FAILED, "user name or challenge holds control characters"
            )
        return value

    def _basic(self) -> str:
        pair = f"{self.login.username}:{self.login.password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _digest(self, method: str, url: str) -> str:
        challenge, login = self.challenge, self.login
        name = challenge.algorithm.removesuffix("-SESS")
        self._count += 1
        count = f"{self._count:08x}"

        def digest(*parts: str) -> str:
            return hashlib.new(ALGORITHMS[name], ":".join(parts).encode()).hexdigest()

        secret = digest(login.username, challenge.realm, login.password.get_secret_value())
        if challenge.algorithm.endswith("-SESS"):
            secret = digest(secret, challenge.nonce, self.cnonce)
        asked = digest(method, url)
        middle: tuple[str, ...] = (challenge.nonce,)
        if challenge.qop:
            middle = (challenge.nonce, count, self.cnonce, "auth")
        user = digest(login.username, challenge.realm) if challenge.userhash else login.username
        pairs = [
            f"username={_quoted(user)}",
            f"realm={_quoted(challenge.realm)}",
            f"nonce={_quoted(challenge.nonce)}",
            f"uri={_quoted(url)}",
            f'response="{digest(secret, *middle, asked)}"',
        ]
        pairs += self._details(count)
        return f"Digest {', '.join(pairs)}"

    def _details(self, count: str) -> Iterator[str]:
        """Yield the parameters that are only given back when the challenge has asked for them."""
        challenge = self.challenge
        if challenge.algorithm != "MD5":
            yield f"algorithm={challenge.algorithm.replace('-SESS', '-sess')}"
        if challenge.opaque is not None:
            yield f"opaque={_quoted(challenge.opaque)}"
        if challenge.qop:
            yield f'qop=auth, nc={count}, cnonce="{self.cnonce}"'
        elif challenge.algorithm.endswith("-SESS"):
            yield f'cnonce="{self.cnonce}"'
        if challenge.userhash:
            yield "userhash=true"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
