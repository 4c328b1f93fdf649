"""What the gateway is answerable for, as events: letters for others, and how the link fares."""

from __future__ import annotations

from collections.abc import Callable

from gateway.model.event import Event
from gateway.ports import Clock, Events

STRANGE_EVERY_S = 60.0
"""A flood of letters for somebody else is told this often, with how many there were."""


def strange(events: Events, clock: Clock) -> Callable[[str], None]:
    """Return what tells *events* of a letter for somebody else, given its topic."""
    told_s, untold = float("-inf"), 0

    def tell(topic: str) -> None:
        nonlocal told_s, untold
        untold += 1
        if clock.now() - told_s >= STRANGE_EVERY_S:
            facts = {"topic": topic[:200], "count": untold}
            events.record(Event("letter.strange", facts, "audit"))
            told_s, untold = clock.now(), 0

    return tell
