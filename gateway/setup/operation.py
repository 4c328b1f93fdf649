"""What a set-up is doing, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OperationName = Literal["enrol", "find", "ask", "look", "test"]


@dataclass(slots=True)
class Operation:
    """What takes a while.

    Attributes:
        name: What it is.
        total: Of how many pieces; 0: not known.
        done: Pieces that are done.
    """

    name: OperationName
    total: int = 0
    done: int = 0

    def advance(self) -> None:
        """One more piece is done."""
        self.done += 1


@dataclass(frozen=True, slots=True)
class Saved:
    """What the last save has done.

    Attributes:
        path: The site document.
        changes: ``+``, ``~`` or ``-``, id and name of each camera that differs.
        secrets: Files of passwords.
        ruled_by_centre: Whether the centre's document runs here and not this one.
    """

    path: str
    changes: tuple[tuple[str, str, str], ...]
    secrets: tuple[str, ...]
    ruled_by_centre: bool
