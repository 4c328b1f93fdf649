"""Facts about a machine: each is looked at once, printed as one JSON line, and counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from tests.machines.machine import MachineLost

Shown = str | int | float | bool | None


@dataclass
class Facts:
    """What was found so far.

    Attributes:
        out: Where the lines go.
        now: Seconds on a clock that does not jump.
        false: The names of the facts that do not hold.
        held: How many do.
    """

    out: TextIO
    now: Callable[[], float] = time.monotonic
    false: list[str] = field(default_factory=list)
    held: int = 0
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.now()

    def fact(self, name: str, holds: object, **seen: Shown) -> None:
        """Tell whether *name* holds, and what was seen."""
        if holds:
            self.held += 1
        else:
            self.false.append(name)
        self._print({"t_s": self._elapsed(), "fact": name, "ok": bool(holds), **seen})

    def attempt(self, look: Callable[[], None]) -> None:
        """Call *look*, which tells facts; what it raises is a fact that does not hold.

        Raises:
            MachineLost: There is nothing left to look at. It has been told.
        """
        name = getattr(look, "__name__", "looking").replace("_", " ")
        try:
            look()
        except MachineLost as error:
            self.fact(name, False, error=str(error)[-2000:])
            raise
        except (ValueError, LookupError, AssertionError) as error:
            self.fact(name, False, error=f"{type(error).__name__}: {error}")

    def close(self) -> int:
        """Print the verdict; return the exit code: 0 if every fact holds."""
        self._print({"t_s": self._elapsed(), "held": self.held, "false": ", ".join(self.false)})
        return int(bool(self.false) or not self.held)

    def _elapsed(self) -> int:
        return round(self.now() - self._began_s)

    def _print(self, line: dict[str, Shown]) -> None:
        self.out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.out.flush()
