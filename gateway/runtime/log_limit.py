"""Counts events that are too frequent to be logged one by one.

Faults that may come with each packet are counted. A line is logged once in a while, with the count
and the last example, so that a broken camera cannot fill the card with log lines.
"""

from __future__ import annotations

import structlog

from gateway.ports import Clock
from gateway.runtime.plain_text import cut

log = structlog.get_logger(__name__)


class RateLimitedLog:
    """Counts events of one kind and logs at most one line per *every_s* seconds.

    Args:
        name: What the events are about, e.g. a camera id.
        event: The log event.
        every_s: The shortest time between two lines.
    """

    def __init__(self, name: str, event: str, *, clock: Clock, every_s: float = 10.0) -> None:
        self._name = name
        self._event = event
        self._clock = clock
        self._every_s = every_s
        self._logged_s = float("-inf")
        self._unlogged = 0
        self.total = 0

    def count(self, example: str, count: int = 1) -> None:
        """Count *count* more; *example* describes the last of them."""
        self.total += count
        self._unlogged += count
        now_s = self._clock.now()
        if now_s - self._logged_s >= self._every_s:
            log.info(self._event, name=self._name, count=self._unlogged, last=cut(example))
            self._logged_s, self._unlogged = now_s, 0
