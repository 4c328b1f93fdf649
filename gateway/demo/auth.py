"""The camera's side of RTSP authentication: challenges, and the check of credentials.

Digest with MD5, SHA-256 and SHA-512-256, with or without qop, with nonces that become stale; Basic.
Sources: RFC 7616, RFC 2617 and RFC 7617, as RFC 2326 uses them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

Scheme = Literal["MD5", "SHA-256", "SHA-512-256", "Basic"]
Verdict = Literal["ok", "none", "stale", "wrong"]

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_FIELD = re.compile(r'\b(\w+)=(?:"([^"]*)"|([^,\s]*))')


@dataclass(frozen=True, slots=True)
class Account:
    """The account that may watch.

    Attributes:
        schemes: Offered in this order; one ``WWW-Authenticate`` header each.
        qop: Whether Digest challenges ask for ``qop="auth"``.
        nonce_uses: Requests for which a nonce is valid; 0 for any number.
    """

    username: str
    password: SecretStr
    schemes: tuple[Scheme, ...] = ("MD5",)
    realm: str = "IP Camera(D8217)"
    qop: bool = True
    nonce_uses: int = 0


class Authenticator:
    """Checks the credentials of requests against one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._nonces: dict[str, int] = {}

    def challenges(self, *, stale: bool = False) -> list[str]:
        """Return the ``WWW-Authenticate`` headers of a 401."""
        account = self._account
        nonce = secrets.token_hex(16)
        self._nonces = dict(list(self._nonces.items())[-255:]) | {nonce: 0}
        return [
            f'Basic realm="{account.realm}"'
            if scheme == "Basic"
            else f'Digest realm="{account.realm}", nonce="{nonce}", algorithm={scheme}'
            + (', qop="auth"' if account.qop else "")
            + f", stale={'true' if stale else 'false'}"
            for scheme in account.schemes
        ]

    def check(self, method: str, authorization: str) -> Verdict:
        """Return whether *authorization*, the header's value or an empty string, is right."""
        kind, _, rest = authorization.strip().partition(" ")
        if not kind:
            return "none"
        if kind.lower() == "basic":
            return self._basic(rest)
        if kind.lower() != "digest":
            return "wrong"
        given = {key.lower(): quoted or bare for key, quoted, bare in _FIELD.findall(rest)}
        return self._digest(method, given)

    def _basic(self, rest: str) -> Verdict:
        account = self._account
        plain = f"{account.username}:{account.password.get_secret_value()}".encode()
        right = hmac.compare_digest(base64.b64encode(plain), rest.strip().encode())
        return "ok" if right and "Basic" in account.schemes else "wrong"

    def _digest(self, method: str, given: dict[str, str]) -> Verdict:
        account, nonce = self._account, given.get("nonce", "")
        algorithm = given.get("algorithm", "MD5")
        if algorithm not in account.schemes or given.get("username") != account.username:
            return "wrong"
        if nonce not in self._nonces:
            return "stale"
        expected = digest_response(account, algorithm, method, given)
        if not hmac.compare_digest(expected.encode(), given.get("response", "").encode()):
            return "wrong"
        if account.qop and given.get("qop") != "auth":
            return "wrong"
        self._nonces[nonce] += 1
        return "stale" if 0 < account.nonce_uses < self._nonces[nonce] else "ok"


def digest_response(account: Account, algorithm: str, method: str, given: dict[str, str]) -> str:
    """Return the right ``response`` for the fields *given* (RFC 7616 §3.4.1)."""

    def digest(text: str) -> str:
        return hashlib.new(_HASHES[algorithm], text.encode()).hexdigest()

    password = account.password.get_secret_value()
    secret = digest(f"{account.username}:{account.realm}:{password}")
    request = digest(f"{method}:{given.get('uri', '')}")
    if "qop" in given:
        middle = f"{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}:"
    else:
        middle = ""
    return digest(f"{secret}:{given.get('nonce', '')}:{middle}{request}")
