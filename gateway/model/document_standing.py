"""How the document of a past month stands, for alarms and people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DocumentState = Literal["missing", "unreadable", "invalid", "sending", "kept", "refused"]
"""``unreadable``: the place of the files cannot be read; ``kept``: the centre has it."""


@dataclass(frozen=True, slots=True)
class DocumentStanding:
    """One document of one month.

    Attributes:
        kind: Id of its template.
        month: As ``2026-05``.
        state: See there.
        due_ms: When it must be there, Unix time.
        at: Of one that is wrong: where the first fault is.
        faults: Likewise how many there are.
    """

    kind: str
    month: str
    state: DocumentState
    due_ms: int
    at: str = ""
    faults: int = 0
