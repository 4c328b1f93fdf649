"""The one-time code of an enrolment: 20 symbols in five groups, as they are told by telephone.

``7K3M-Q9TX-0B5D-HW2R-4NVE``: 8 symbols are the secret (40 bits), 10 the fingerprint of the centre's
authority (50 bits), 2 are check symbols. The alphabet is Crockford's Base 32, read in either case,
with O as 0, I and L as 1, with or without spaces and dashes.

The check symbols are those of a Reed-Solomon code over GF(32): any one wrong symbol and any two
that changed places are found, and of one wrong symbol also where it stands.

The fingerprint is keyed by the secret and slow (scrypt). Whoever stands between the machine and the
centre does not know the secret, hence not which fingerprint to look for: each impostor has one try
with a chance of 2**-50, and the machine says the secret only to a server that has passed. Whoever
has overheard the code would have to try 2**50 authorities at 32 MiB and some 0.1 s each.

Sources: Crockford, "Base 32"; Reed and Solomon, 1960; RFC 7914 (scrypt); RFC 7030 section 4.1.1
(the authority's certificate is fetched first and checked by a fingerprint that came another way).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Literal

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of Crockford: without I, L, O (look like digits) and U."""

SECRET_SYMBOLS, FINGERPRINT_SYMBOLS, CHECK_SYMBOLS = 8, 10, 2
SYMBOLS = SECRET_SYMBOLS + FINGERPRINT_SYMBOLS + CHECK_SYMBOLS
GROUP = 4

LONGEST_TEXT = 200
"""Characters of a text that is looked at; more is no code."""

SCRYPT_N, SCRYPT_R = 2**15, 8
"""Cost of the fingerprint: 32 MiB, 0.1 s on a PC, below 1 s on a Raspberry Pi."""

_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_LABEL = b"camera-gateway enrolment 1 "

CodeReason = Literal["code.empty", "code.length", "code.symbol", "code.check"]


class CodeError(ValueError):
    """A text that is no code.

    Attributes:
        reason: ``code.empty``, ``code.length``, ``code.symbol`` (one that no code has) or
            ``code.check`` (mistyped).
        found: How many symbols there are, or the symbol.
        group: From 1: the group that is wrong if it is one symbol only; None: unknown.
    """

    def __init__(self, reason: CodeReason, found: str = "", group: int | None = None) -> None:
        super().__init__(reason)
        self.reason: CodeReason = reason
        self.found = found
        self.group = group


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """A code.

    Attributes:
        secret: Its first symbols: what only the site and the centre know.
        fingerprint: The next ones, of the centre's authority.
    """

    secret: str
    fingerprint: str

    def __str__(self) -> str:
        """The code as it is told, in groups."""
        symbols = self.symbols
        return "-".join(symbols[start : start + GROUP] for start in range(0, SYMBOLS, GROUP))

    def __repr__(self) -> str:
        """Say nothing of the secret."""
        return f"EnrolmentCode(fingerprint={self.fingerprint!r})"

    @property
    def symbols(self) -> str:
        """All symbols without groups, check symbols included."""
        data = self.secret + self.fingerprint
        return data + _check_symbols([_VALUES[symbol] for symbol in data])

    def fits(self, authority: bytes) -> bool:
        """Return whether *authority*, a certificate in DER, is the one the code was made for."""
        return hmac.compare_digest(self.fingerprint, _fingerprint(self.secret, authority))


def make_code(authority: bytes) -> EnrolmentCode:
    """Return a new code for the centre whose root certificate is *authority*, in DER."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_SYMBOLS))
    return EnrolmentCode(secret, _fingerprint(secret, authority))


def parse_code(text: str) -> EnrolmentCode:
    """Return the code in *text*, as somebody has typed it.

    Raises:
        CodeError: It is none; the reason says why.
    """
    if len(text) > LONGEST_TEXT:
        raise CodeError("code.length", f"{LONGEST_TEXT}+")
    plain = unicodedata.normalize("NFKC", text).upper()
    symbols = re.sub(r"[\s\-‐‑‒–—−_.·]", "", plain)
    if not symbols:
        raise CodeError("code.empty")
    unknown = next((each for each in symbols if each not in _VALUES), None)
    if unknown is not None:
        raise CodeError("code.symbol", unknown)
    if len(symbols) != SYMBOLS:
        raise CodeError("code.length", str(len(symbols)))
    values = [_VALUES[each] for each in symbols]
    if any(_syndromes(values)):
        raise CodeError("code.check", group=_wrong_group(values))
    plain = "".join(ALPHABET[value] for value in values)
    return EnrolmentCode(
        plain[:SECRET_SYMBOLS], plain[SECRET_SYMBOLS : SECRET_SYMBOLS + FINGERPRINT_SYMBOLS]
    )


def _fingerprint(secret: str, authority: bytes) -> str:
    size = (5 * FINGERPRINT_SYMBOLS + 7) // 8
    salt = _LABEL + hashlib.sha256(authority).digest()
    digest = hashlib.scrypt(
        secret.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=1, maxmem=2**26, dklen=size
    )
    number = int.from_bytes(digest, "big") >> (8 * size - 5 * FINGERPRINT_SYMBOLS)
    return "".join(
        ALPHABET[number >> (5 * place) & 31] for place in reversed(range(FINGERPRINT_SYMBOLS))
    )


# GF(32) by its primitive polynomial x**5 + x**2 + 1: EXP[i] is the i-th power of x.
_EXP = [1]
while len(_EXP) < 31:
    _EXP.append((_EXP[-1] << 1) ^ (0b100101 if _EXP[-1] & 16 else 0))
_LOG = {value: power for power, value in enumerate(_EXP)}


def _times(left: int, right: int) -> int:
    return _EXP[(_LOG[left] + _LOG[right]) % 31] if left and right else 0


def _syndromes(values: list[int]) -> tuple[int, int]:
    """Return the two sums that are 0 for a code: of x**i and x**2i times the i-th symbol."""
    first = second = 0
    for place, value in enumerate(values):
        first ^= _times(value, _EXP[place])
        second ^= _times(value, _EXP[2 * place % 31])
    return first, second


def _check_symbols(data: list[int]) -> str:
    """Return the symbols that make both sums of *data* and them 0."""
    first, second = _syndromes(data)
    one, two = len(data), len(data) + 1
    # a*x**one + b*x**two = first; a*x**2one + b*x**2two = second
    numerator = second ^ _times(first, _EXP[one])
    denominator = _times(_EXP[two], _EXP[two] ^ _EXP[one])
    last = _divided(numerator, denominator)
    before = _divided(first ^ _times(last, _EXP[two]), _EXP[one])
    return ALPHABET[before] + ALPHABET[last]


def _divided(left: int, right: int) -> int:
    return _EXP[(_LOG[left] - _LOG[right]) % 31] if left else 0


def _wrong_group(values: list[int]) -> int | None:
    """Return the group, from 1, in which one wrong symbol stands; None: more are wrong."""
    first, second = _syndromes(values)
    if not first or not second:
        return None
    place = _LOG[_divided(second, first)]
    return place // GROUP + 1 if place < SYMBOLS else None
