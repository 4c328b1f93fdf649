"""Memory of a process and its children, from the kernel.

Resident pages (RSS) may be shared: with other processes that use the same files, and between the
processes of one relay, where each counts them. PSS counts a page that n processes share as 1/n in
each. USS counts pages that are not shared: what the machine gets back when the process ends.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory in MB of 10^6 bytes.

    Attributes:
        rss_mb: Resident.
        pss_mb: Resident, what is shared in proportion; None: a process could not be read.
        uss_mb: Resident and shared with nobody; None: a process could not be read.
    """

    rss_mb: float
    pss_mb: float | None
    uss_mb: float | None

    def __str__(self) -> str:
        """Return it in words."""
        return f"RSS {_word(self.rss_mb)}, PSS {_word(self.pss_mb)}, USS {_word(self.uss_mb)}"

    def rounded(self) -> dict[str, float | None]:
        """Return the three figures by name, to 0.1 MB, as JSON has them."""
        figures = {"rss_mb": self.rss_mb, "pss_mb": self.pss_mb, "uss_mb": self.uss_mb}
        return {name: None if mb is None else round(mb, 1) for name, mb in figures.items()}


def of_family(pid: int) -> Footprint:
    """Return the sums over process *pid* and all below it.

    A child that ends meanwhile has no memory any more. A process that may not be read is named on
    stderr.

    Raises:
        psutil.NoSuchProcess: There is no *pid*.
    """
    first = psutil.Process(pid)
    found = [_of(first)]
    for child in first.children(recursive=True):
        try:
            found.append(_of(child))
        except psutil.NoSuchProcess:
            continue
    return total(found)


def total(parts: Iterable[Footprint]) -> Footprint:
    """Return the sums; one that a part does not know is not known."""
    return _joined(list(parts), sum)


def median(rounds: Sequence[Footprint]) -> Footprint:
    """Return the medians; one that a round does not know is not known."""
    return _joined(rounds, statistics.median)


def _joined(parts: Sequence[Footprint], join: Callable[[list[float]], float]) -> Footprint:
    def known(figures: list[float | None]) -> float | None:
        there = [mb for mb in figures if mb is not None]
        return join(there) if len(there) == len(figures) else None

    return Footprint(
        join([each.rss_mb for each in parts]),
        known([each.pss_mb for each in parts]),
        known([each.uss_mb for each in parts]),
    )


def _of(process: psutil.Process) -> Footprint:
    try:
        told = process.memory_full_info()
    except psutil.AccessDenied:
        print(f"bench: PSS and USS of {process} may not be read", file=sys.stderr, flush=True)
        return Footprint(process.memory_info().rss / 1e6, None, None)
    return Footprint(told.rss / 1e6, told.pss / 1e6, told.uss / 1e6)


def _word(mb: float | None) -> str:
    return "unknown" if mb is None else f"{mb:.1f} MB"
