"""The right to watch one camera for a while: who watches, what for, and for how long."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

MOST_REVOKED = 1000
"""People whose right may be revoked at once."""


def _printable(text: str) -> str:
    """Return *text* if it is one line that can be shown as it is, in NFC.

    Raises:
        ValueError: It holds control or bidirectional characters, begins or ends with a space, or
            is not in NFC: then two texts could look the same and be different.
    """
    if not text.isprintable() or text != text.strip():
        raise ValueError("one line of printable characters, without spaces around it")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError("not in the normal form NFC")
    return text


Actor = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
"""A person as the centre knows them: an account, or a name."""

Purpose = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)
]
"""What somebody watches for."""


@dataclass(frozen=True, slots=True)
class ViewingPermit:
    """What a session may do, as its view token says.

    Attributes:
        actor: The person, as the centre knows them; empty: nobody has said.
        actor_source: How whoever issued the token knows the actor: ``proxy`` or ``settings``.
        purpose: What for.
        token_id: ``jti`` of the token; empty: there was none.
        max_s: How long the viewing may last from now, in seconds; None: without limit.
    """

    actor: str = ""
    actor_source: str = ""
    purpose: str = ""
    token_id: str = ""
    max_s: float | None = None


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The people who may no longer watch, at some moment.

    Attributes:
        issued_ms: When the centre issued it, in ms since 1970; 0: it never has.
        actors: Whose right is revoked, at most `MOST_REVOKED`.
    """

    issued_ms: int = 0
    actors: tuple[str, ...] = ()
