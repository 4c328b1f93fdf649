"""How long the threads of a process have run, and how long they have waited for a core.

From ``/proc/PID/task/TID/schedstat``: nanoseconds run, nanoseconds runnable and waiting, number of
times on a core (Linux, Documentation/scheduler/sched-stats.rst).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Threads = Mapping[str, tuple[int, int]]
"""Thread id -> nanoseconds run, nanoseconds waited."""


@dataclass(frozen=True)
class Spent:
    """What the threads of one process have spent in a while.

    Attributes:
        ran_s: All of them together.
        waited_s: Whoever of them has waited longest: what an answer waits for is one thread.
    """

    ran_s: float
    waited_s: float


def threads_of(pid: int) -> Threads:
    """Return what each thread of *pid* has spent since its beginning."""
    found: dict[str, tuple[int, int]] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            ran, waited, _ = (task / "schedstat").read_text().split()
            found[task.name] = int(ran), int(waited)
    return found


def spent(before: Threads, after: Threads) -> Spent:
    """Return what was spent in between."""
    zero = (0, 0)
    ran = [now[0] - before.get(thread, zero)[0] for thread, now in after.items()]
    waited = [now[1] - before.get(thread, zero)[1] for thread, now in after.items()]
    return Spent(sum(ran) / 1e9, max(waited, default=0) / 1e9)
