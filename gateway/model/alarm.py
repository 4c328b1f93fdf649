"""Alarms, the findings they are raised from, and the thresholds of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.model.reasons import Reason

Severity = Literal["warning", "minor", "major", "critical"]
"""Least first. What each means is in `gateway.alarms.catalogue` (ITU-T X.733)."""

Act = Literal["raise", "change", "clear"]

Argument = str | int | float
"""A value that the sentence about the alarm shows: a camera's id, a measurement."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of one alarm.

    Attributes:
        key: Of the alarm, e.g. ``cam.c07.down``; fit for a topic level.
        bad: Whether the check failed; None: it could not be made.
        cause: Why it failed; without meaning if it did not.
        severity: Likewise.
        arguments: For the sentence.
        parents: Keys of the alarms that would explain it, the nearest first.
    """

    key: str
    bad: bool | None
    cause: Reason
    severity: Severity
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """One occurrence of an alarm: raised, or just cleared.

    Attributes:
        key: See `Finding`.
        id: Of this occurrence; unique among all gateways.
        raised: False: cleared.
        severity: See `Severity`.
        since_ms: Wall clock of the first failed check.
        cause: Why.
        arguments: For the sentence.
        flapping: Whether it comes and goes: that is counted then, and not sent.
        changes: How often it has changed since flapping began.
        parent: Key of the raised alarm that explains this one; None: there is none.
    """

    key: str
    id: str
    raised: bool
    severity: Severity
    since_ms: int
    cause: Reason
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    flapping: bool = False
    changes: int = 0
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class AlarmTransition:
    """An alarm was raised, changed or cleared, and is to be sent."""

    act: Act
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Damping:
    """When an alarm is raised and cleared, and when it flaps. Durations on the monotonic clock.

    Attributes:
        raise_checks: Failed checks in a row that raise it,
        raise_s: if the first of them was at least so long ago.
        clear_s: How long all checks must have been good to clear it.
        flap_checks: How many checks are remembered.
        flap_enter_percent: With a larger share of changes among them it begins to flap.
        flap_leave_percent: With a smaller share it ends to flap.
    """

    raise_checks: int = 3
    raise_s: float = 45.0
    clear_s: float = 120.0
    flap_checks: int = 21
    flap_enter_percent: float = 30.0
    flap_leave_percent: float = 15.0


@dataclass(frozen=True, slots=True)
class HostLimits:
    """The values from which on alarms about the machine are raised.

    Attributes:
        temperature_c: Of the processor; a Raspberry Pi slows down from 80, harder from 85.
        cpu_percent: Of all cores.
        memory_percent: Of all memory.
        disk_percent: Of the state folder's file system.
        descriptors_percent: Of the files and sockets that the process may open.
        clock_offset_s: Of the wall clock.
        clock_behind_s: How far it may be below the least time that it can be.
        certificate_days: Left until the gateway's certificate ends.
        margin_percent: How much lower than its limit a value must be to count as good again.
    """

    temperature_c: float = 80.0
    cpu_percent: float = 95.0
    memory_percent: float = 92.0
    disk_percent: float = 90.0
    descriptors_percent: float = 80.0
    clock_offset_s: float = 2.0
    clock_behind_s: float = 300.0
    certificate_days: float = 30.0
    margin_percent: float = 5.0
