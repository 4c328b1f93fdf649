"""Alarms: what is wrong here and now, each under a key that stays the same while it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.model.reasons import Reason

Severity = Literal["warning", "minor", "major", "critical"]
"""From what is good to know to what stops the site."""

Act = Literal["raise", "change", "clear"]

Argument = str | int | float
"""What a sentence needs beside the code: a camera's id, a measured value."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found under one key.

    Attributes:
        key: E.g. ``cam.c07.down``; fit for a topic.
        bad: None: nobody could look, which says nothing.
        cause: Why, if it is bad.
        severity: How bad.
        arguments: What the sentence needs.
        parents: Keys of what would explain it, the nearest first.
    """

    key: str
    bad: bool | None
    cause: Reason
    severity: Severity
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is wrong, or was until now.

    Attributes:
        key: See `Finding`.
        id: Of this occurrence, unique in the country.
        raised: Whether it is still wrong.
        severity: How bad.
        since_ms: Wall clock of when it began.
        cause: Why.
        arguments: What the sentence needs.
        flapping: Whether it comes and goes; its comings and goings are then counted, not told.
        changes: How many were counted since the flapping began.
        parent: Key of the alarm that explains this one; None: nothing does.
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
    """What has become of an alarm: it is to be told."""

    act: Act
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Damping:
    """How long something must be so before it is said. Durations on the monotonic clock.

    Attributes:
        raise_checks: Failed checks in a row.
        raise_s: And for how long they must have failed.
        clear_s: How long all checks must have been good.
        flap_checks: How many checks are remembered to see flapping.
        flap_enter_percent: More changes than this among them are flapping.
        flap_leave_percent: Fewer than this are no longer.
    """

    raise_checks: int = 3
    raise_s: float = 45.0
    clear_s: float = 120.0
    flap_checks: int = 21
    flap_enter_percent: float = 30.0
    flap_leave_percent: float = 15.0


@dataclass(frozen=True, slots=True)
class HostLimits:
    """From where on the machine is in trouble; what ends it lies a little below.

    Attributes:
        temperature_c: Of the processor; a Raspberry Pi slows down from 80, harder from 85.
        cpu_percent: Of all cores.
        memory_percent: Of all memory.
        disk_percent: Of the state folder's file system.
        descriptors_percent: Of the open files and sockets we may have.
        clock_offset_s: By how much the wall clock may be wrong.
        certificate_days: How early the end of our certificate is announced.
        margin_percent: How much lower a value must be to count as well again.
    """

    temperature_c: float = 80.0
    cpu_percent: float = 95.0
    memory_percent: float = 92.0
    disk_percent: float = 90.0
    descriptors_percent: float = 80.0
    clock_offset_s: float = 2.0
    certificate_days: float = 30.0
    margin_percent: float = 5.0
