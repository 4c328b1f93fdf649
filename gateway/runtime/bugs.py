"""Counts bugs that were contained: an unexpected exception ends what it concerns, nothing else.

A session, a camera, a message or a report catches `Exception` at its own boundary and calls
`report_bug`. The exception is counted, and logged with its traceback once an hour for each place in
the code where it rises, so that a stranger who can repeat it fills no disk. The alarm `program.bug`
and the metrics tell of the counts.

The counts belong to the process, like the log. All calls are made on the event loop's thread.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import structlog

T = TypeVar("T")

Boundary = Literal["session", "camera", "message", "command", "config", "report", "loop"]
"""What an unexpected exception has ended: one of these, and not the process."""

LOG_EVERY_S = 3600.0
"""Between two log lines about the same place in the code."""

MAX_PLACES = 64
"""Places in the code that are remembered; of more, the oldest is logged again."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class BugCounts:
    """What has been contained since the program started.

    Attributes:
        counts: How many exceptions, by boundary.
        last_s: When the last one was, on the monotonic clock; None: there was none.
        last: Boundary, type and place of the last one; empty: there was none.
    """

    counts: Counter[str] = field(default_factory=Counter)
    last_s: float | None = None
    last: str = ""
    _places: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def record(self, boundary: Boundary, error: BaseException, subject: str) -> None:
        """Count *error*, and log it if its place has not been logged for `LOG_EVERY_S`."""
        now_s = time.monotonic()
        place = place_of(error)
        self.counts[boundary] += 1
        self.last_s, self.last = now_s, f"{boundary}: {place}"
        logged_s, unlogged = self._places.pop(place, (float("-inf"), 0))
        if now_s - logged_s >= LOG_EVERY_S:
            log.error(
                "bug_contained",
                boundary=boundary,
                subject=subject[:200],
                place=place,
                unlogged=unlogged,
                exc_info=error,
            )
            self._places[place] = now_s, 0
        else:
            self._places[place] = logged_s, unlogged + 1
        while len(self._places) > MAX_PLACES:
            self._places.popitem(last=False)


def place_of(error: BaseException) -> str:
    """Return type and place of *error*, e.g. ``ValueError rtcicetransport.py:113``.

    Of a group, that of its first error.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" {frames[0].filename.rpartition('/')[2]}:{frames[0].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


_bugs = BugCounts()


def report_bug(boundary: Boundary, error: BaseException, subject: str = "") -> None:
    """Count and log *error*, which was not expected; *subject* is the session, camera or topic."""
    _bugs.record(boundary, error, subject)


def bug_counts() -> Mapping[str, int]:
    """Return how many exceptions were contained since the start, by boundary."""
    return _bugs.counts


def last_bug() -> tuple[str, float] | None:
    """Return boundary and place of the last one, and its monotonic time; None: there was none."""
    return None if _bugs.last_s is None else (_bugs.last, _bugs.last_s)


def contained(messages: Iterable[T], subject: str) -> Iterator[T]:
    """Yield *messages*, a report on *subject*; a bug in making one ends this report only."""
    try:
        yield from messages
    except Exception as error:
        report_bug("report", error, subject)
