"""Facts about a machine: each is looked at once, printed as one JSON line, and counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from tests.machines.machine import MachineLost

Shown = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the machine.

    Attributes:
        name: By which it is asked for.
        act: Tells what facts it finds.
        always: Whether the others build on it.
    """

    name: str
    act: Callable[[], None]
    always: bool = False


def asked_for(looks: Iterable[Look], names: Iterable[str]) -> Iterator[Look]:
    """Yield those of *looks* that *names* ask for and what they build on; no names: all.

    Raises:
        LookupError: There is none of such a name.
    """
    every, wanted = list(looks), set(names)
    if unknown := wanted - {look.name for look in every}:
        known = ", ".join(look.name for look in every)
        raise LookupError(f"nothing is called {', '.join(sorted(unknown))}; there are: {known}")
    for look in every:
        if look.always or look.name in wanted or not wanted:
            yield look


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

    def attempt(self, look: Look) -> None:
        """Take *look*; what it raises is a fact that does not hold.

        Raises:
            MachineLost: There is nothing left to look at. It has been told.
        """
        try:
            look.act()
        except MachineLost as error:
            self.fact(look.name, False, error=str(error)[-2000:])
            raise
        except (ValueError, LookupError, AssertionError) as error:
            self.fact(look.name, False, error=f"{type(error).__name__}: {error}")

    def close(self) -> int:
        """Print the verdict; return the exit code: 0 if every fact holds."""
        self._print({"t_s": self._elapsed(), "held": self.held, "false": ", ".join(self.false)})
        return int(bool(self.false) or not self.held)

    def _elapsed(self) -> int:
        return round(self.now() - self._began_s)

    def _print(self, line: dict[str, Shown]) -> None:
        self.out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.out.flush()
