"""Records events that a stranger can cause as often as they like, without filling the card.

A refusal of one kind and subject is recorded at once, and then at most once a minute: the last
example, with how many there were. `gateway/runtime/log_limit.py` does the same for the log.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from gateway.model.event import Event
from gateway.ports import Clock, Events
from gateway.runtime.rate_limit import TOTAL_FACTOR, RateLimiter

EVERY_S = 60.0
"""One subject is recorded at most this often."""

CHECK_S = 10.0
"""How often what was counted is looked through for what may be recorded by now."""

SUBJECTS, SUBJECTS_EACH = 64, 16
"""Subjects that are kept, of all and of one requester; all others of a requester share one, and
beyond that all of a kind. Some are named by strangers."""

RECORDS_PER_MIN, RECORDS = 2, 64
"""Of all subjects together, a minute and at once: 3,000 a day. One that is recorded on its own and
sent is 12.7 kB written to the card, in pages of the database (measured by /proc/PID/io). Of one
requester a quarter of it: whoever floods does not keep the others from being recorded."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is counted together: of one kind, requester and subject."""

    kind: str
    by: str = ""
    subject: tuple[str, ...] = ()


@dataclass(slots=True)
class _Repeated:
    """What has happened to one subject: *event* is the last example."""

    event: Event
    count: int = 0
    recorded_s: float = float("-inf")


class RepeatedEvents:
    """Counts events and records the last of each subject now and then, with ``count``.

    Args:
        events: Where they are recorded.
        clock: Monotonic.
    """

    def __init__(self, events: Events, *, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._limiter = RateLimiter(
            RECORDS_PER_MIN / TOTAL_FACTOR, RECORDS / TOTAL_FACTOR, clock=clock
        )
        self._subjects: OrderedDict[_Subject, _Repeated] = OrderedDict()

    def record(self, event: Event, *subject: str, by: str = "") -> None:
        """Count *event*; record it if its kind, requester and *subject* have not been of late.

        Args:
            event: What has happened.
            subject: What it has happened to.
            by: Who has caused it: a viewer, say. Those who have a name here do not hide each other.
        """
        key = self._key(event.kind, by, subject)
        repeated = self._subjects.setdefault(key, _Repeated(event))
        repeated.event = event
        repeated.count += 1
        self._record_if_due(key, repeated)

    def flush(self) -> None:
        """Record whatever was counted and not recorded yet, due or not."""
        for repeated in self._subjects.values():
            if repeated.count:
                self._record(repeated)

    async def run(self) -> None:
        """Record what has become due, until cancelled; then all the rest, so no count is lost."""
        try:
            while True:
                await self._clock.sleep(CHECK_S)
                for key, repeated in list(self._subjects.items()):
                    self._record_if_due(key, repeated)
        finally:
            self.flush()

    def _key(self, kind: str, by: str, subject: tuple[str, ...]) -> _Subject:
        """Return under what to count; a table that is full has something shared."""
        key = _Subject(kind, by, subject)
        if key not in self._subjects and self._is_full(by):
            self._forget_settled()
        if key not in self._subjects and self._is_full(by):
            key = _Subject(kind, by)
        if key not in self._subjects and len(self._subjects) >= SUBJECTS:
            key = _Subject(kind)
        return key

    def _is_full(self, by: str) -> bool:
        mine = sum(key.by == by for key in self._subjects)
        return mine >= SUBJECTS_EACH or len(self._subjects) >= SUBJECTS

    def _record_if_due(self, key: _Subject, repeated: _Repeated) -> None:
        waited_s = self._clock.now() - repeated.recorded_s
        if not repeated.count or waited_s < EVERY_S:
            return
        if self._limiter.try_acquire(f"{key.kind} {key.by}"):
            self._record(repeated)
            self._subjects.move_to_end(key)  # the others are served before it next time

    def _record(self, repeated: _Repeated) -> None:
        event = repeated.event
        facts = {**event.facts, "count": repeated.count}
        self._events.record(replace(event, facts=facts))
        repeated.count, repeated.recorded_s = 0, self._clock.now()

    def _forget_settled(self) -> None:
        """Forget subjects with nothing left to record that would be recorded at once again."""
        for key, repeated in list(self._subjects.items()):
            if not repeated.count and self._clock.now() - repeated.recorded_s >= EVERY_S:
                del self._subjects[key]
