"""The state of all alarms: which are raised, and what each round of checks changes. Pure.

An alarm is suppressed by what explains it (ISA-18.2 "suppressed by design"): while a recorder's
checks fail, its cameras raise nothing of their own. A camera that was raised before its recorder
names it as its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace

from gateway.alarms.damping import AlarmDamping
from gateway.model.alarm import Alarm, AlarmTransition, Damping, Finding

MAX_ALARMS = 1536
"""Alarms that are tracked: three for each of 512 cameras. More than these are left out."""


class AlarmState:
    """Turns findings into transitions of alarms.

    Args:
        damping: How long something must last to be raised or cleared.
        new_id: Returns the id of a new alarm.
        standing: Alarms raised before a restart; they stay raised until checks clear them.
    """

    def __init__(
        self, damping: Damping, *, new_id: Callable[[], str], standing: Iterable[Alarm] = ()
    ) -> None:
        self._damping = damping
        self._new_id = new_id
        self._open: dict[str, Alarm] = {each.key: each for each in standing}
        self._dampings = {key: AlarmDamping(damping, raised=True) for key in self._open}

    @property
    def standing(self) -> Mapping[str, Alarm]:
        """Alarms that are raised, by key."""
        return self._open

    @property
    def tracked(self) -> int:
        """How many keys have a history: raised ones, and those with a failed check remembered."""
        return len(self._dampings)

    def check(
        self, findings: Iterable[Finding], now_s: float, now_ms: int
    ) -> tuple[AlarmTransition, ...]:
        """Apply one round of checks; return the transitions in the order they are to be sent.

        Args:
            findings: Of everything that is watched. An alarm that is in none of them is cleared.
            now_s: Monotonic.
            now_ms: Wall clock, for people.
        """
        found = {each.key: each for each in findings}
        transitions = [self._clear(key) for key in self._removed(found)]
        failing = {each.key for each in found.values() if self._fails(each)}
        for finding in sorted(found.values(), key=lambda each: len(each.parents)):  # causes first
            transitions += self._apply(finding, failing, now_s, now_ms)
        return tuple(transitions)

    def _fails(self, finding: Finding) -> bool:
        """Whether *finding* can explain others: it is bad now, or has not been good for long."""
        return bool(finding.bad) or (finding.bad is None and finding.key in self._open)

    def _removed(self, found: Mapping[str, Finding]) -> list[str]:
        for key in self._dampings.keys() - found.keys():
            del self._dampings[key]
        return [key for key in self._open if key not in found]

    def _apply(
        self, finding: Finding, failing: Set[str], now_s: float, now_ms: int
    ) -> Iterator[AlarmTransition]:
        damping = self._damping_of(finding)
        if damping is None or finding.bad is None:
            return
        damping.record_check(
            now_s, bad=finding.bad, inhibited=not failing.isdisjoint(finding.parents)
        )
        held = self._open.get(finding.key)
        if held is None and damping.raised:
            yield self._raise(finding, damping, now_s, now_ms)
        elif held is not None and not damping.raised:
            yield self._clear(finding.key)
        elif held is not None:
            after = self._open[finding.key] = self._updated(held, finding, damping)
            if _differs(after, held):
                yield AlarmTransition("change", after)
        if damping.calm:
            del self._dampings[finding.key]

    def _damping_of(self, finding: Finding) -> AlarmDamping | None:
        """Return the damping of *finding*'s key; None: no check failed so far, or all are taken."""
        if finding.bad and finding.key not in self._dampings and len(self._dampings) < MAX_ALARMS:
            self._dampings[finding.key] = AlarmDamping(self._damping)
        return self._dampings.get(finding.key)

    def _raise(
        self, finding: Finding, damping: AlarmDamping, now_s: float, now_ms: int
    ) -> AlarmTransition:
        began_s = now_s if damping.bad_since_s is None else damping.bad_since_s
        alarm = self._open[finding.key] = Alarm(
            key=finding.key,
            id=self._new_id(),
            raised=True,
            severity=finding.severity,
            since_ms=now_ms - round((now_s - began_s) * 1000),
            cause=finding.cause,
            arguments=finding.arguments,
            flapping=damping.flapping,
            changes=damping.changes,
        )
        return AlarmTransition("raise", alarm)

    def _updated(self, held: Alarm, finding: Finding, damping: AlarmDamping) -> Alarm:
        """Return *held* after *finding*."""
        parent = next((key for key in finding.parents if key in self._open), None)
        after = replace(held, flapping=damping.flapping, changes=damping.changes, parent=parent)
        details = (finding.cause, finding.severity)
        if not finding.bad or not damping.confirms(details):
            return after  # cause and severity change only when failed checks agree
        return replace(
            after, cause=finding.cause, severity=finding.severity, arguments=finding.arguments
        )

    def _clear(self, key: str) -> AlarmTransition:
        return AlarmTransition("clear", replace(self._open.pop(key), raised=False))


def _differs(one: Alarm, other: Alarm) -> bool:
    """Whether the change is sent: not if only a measured value among the arguments has moved."""
    return (one.severity, one.cause, one.flapping, one.parent) != (
        other.severity,
        other.cause,
        other.flapping,
        other.parent,
    )
