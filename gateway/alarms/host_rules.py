"""Rules about the machine, its certificate and its configuration. Pure.

A value that could not be measured gives a finding with `bad` None. A value that has raised an
alarm must fall a margin below its limit before it counts as good again (hysteresis).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from gateway.alarms.catalogue import (
    AUDIT_NOT_STORED,
    CERTIFICATE_ENDS,
    CONFIG_UNDONE,
    HOST_CLOCK,
    HOST_CPU,
    HOST_DESCRIPTORS,
    HOST_DISK,
    HOST_MEMORY,
    HOST_POWER,
    HOST_TEMPERATURE,
    HOST_THROTTLED,
    JOURNAL_NOT_STORED,
    OUTBOX_NOT_STORED,
    PROGRAM_BUG,
    TOKENS_NOT_STORED,
    AlarmType,
)
from gateway.health.raspberry_pi import CAPPED, SOFT_LIMIT, THROTTLED, UNDERVOLTAGE
from gateway.model.alarm import Argument, Finding, HostLimits
from gateway.model.errors import TransientError
from gateway.model.health import HostSample
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.config import Reported

DAY_MS = 86_400_000
SYNC_S = 300.0
"""How long after the machine has started its clock may still be unset: NTP takes its time."""

BUG_S = 600.0
"""How long a contained bug stands in the alarms."""

_SLOW = CAPPED | THROTTLED | SOFT_LIMIT
_FULL = ("ENOSPC", "EDQUOT")


def host_findings(
    host: HostSample, limits: HostLimits, standing: Collection[str]
) -> Iterator[Finding]:
    """Yield one finding for each alarm about *host*; *standing*: keys of those raised now."""
    high = _High(limits.margin_percent, standing)
    yield high(HOST_TEMPERATURE, host.temperature_c, limits.temperature_c, Reason.OVERHEATED)
    yield _bits(HOST_POWER, host.throttled, UNDERVOLTAGE, Reason.UNDERVOLTAGE)
    slow = _bits(HOST_THROTTLED, host.throttled, _SLOW, Reason.THROTTLED)
    yield replace(slow, parents=(HOST_POWER.key(), HOST_TEMPERATURE.key()))
    yield high(HOST_CPU, host.cpu_percent, limits.cpu_percent, Reason.CPU_BUSY)
    yield high(HOST_MEMORY, host.memory_percent, limits.memory_percent, Reason.MEMORY_LOW)
    yield _disk(host, limits, high)
    yield high(
        HOST_DESCRIPTORS,
        _descriptors_percent(host),
        limits.descriptors_percent,
        Reason.DESCRIPTORS_LOW,
    )
    yield _clock(host, limits)


def certificate_finding(
    ends_ms: int | None, now_ms: int, limits: HostLimits, *, renewal_failed: bool = False
) -> Finding:
    """Return whether the gateway's certificate ends soon.

    Args:
        ends_ms: When it ends, wall clock; None: there is none, or it cannot be read.
        now_ms: Wall clock.
        limits: How early its end is announced.
        renewal_failed: Whether it should have been renewed and was not; then it is announced now.
    """
    if ends_ms is None:
        return CERTIFICATE_ENDS.finding(None, Reason.CERT_ENDS_SOON)
    days = (ends_ms - now_ms) / DAY_MS
    cause = Reason.TLS_EXPIRED if days <= 0 else Reason.CERT_ENDS_SOON
    bad = renewal_failed or days <= limits.certificate_days
    return CERTIFICATE_ENDS.finding(bad, cause, {"days": int(days // 1)}, days_left=days)


def rollback_finding(reported: Reported) -> Finding:
    """Return whether the newest configuration was rolled back because it did not work.

    One that somebody cancelled was rolled back on purpose.
    """
    bad = reported.state == "rolled_back" and reported.why != "cancel"
    arguments = {} if reported.version is None else {"ver": reported.version}
    return CONFIG_UNDONE.finding(bad, Reason.ROLLED_BACK, arguments)


StoreTrouble = Callable[[], TransientError | None]
"""Returns why a file cannot be written; None: it can."""


@dataclass(frozen=True, slots=True)
class StoreTroubles:
    """The files that raise an alarm of their own while they cannot be written.

    Attributes:
        audit: Who has watched what.
        used_tokens: View tokens that have been used.
        outbox: Events until the broker has them.
        journal: Commands that have been accepted, and what came of them.
    """

    audit: StoreTrouble = lambda: None
    used_tokens: StoreTrouble = lambda: None
    outbox: StoreTrouble = lambda: None
    journal: StoreTrouble = lambda: None


def store_findings(stores: StoreTroubles) -> Iterator[Finding]:
    """Yield for each of *stores* whether it can be written."""
    for alarm, store in (
        (AUDIT_NOT_STORED, stores.audit),
        (TOKENS_NOT_STORED, stores.used_tokens),
        (OUTBOX_NOT_STORED, stores.outbox),
        (JOURNAL_NOT_STORED, stores.journal),
    ):
        trouble = store()
        cause = Reason.DISK_READONLY if trouble is None else trouble.reason
        yield alarm.finding(trouble is not None, cause)


def bug_finding(last: tuple[str, float] | None, count: int, now_s: float) -> Finding:
    """Return whether the program has contained a bug within `BUG_S`.

    Args:
        last: Place and monotonic time of the last one; None: there was none.
        count: How many there were since the start.
        now_s: Monotonic.
    """
    if last is None:
        return PROGRAM_BUG.finding(False, Reason.INTERNAL_ERROR)
    place, at_s = last
    arguments: dict[str, Argument] = {"place": place, "count": count}
    return PROGRAM_BUG.finding(now_s - at_s <= BUG_S, Reason.INTERNAL_ERROR, arguments)


@dataclass(frozen=True, slots=True)
class _High:
    """Compares a value with its upper limit."""

    margin_percent: float
    standing: Collection[str]

    def __call__(
        self, alarm_type: AlarmType, value: float | None, limit: float, cause: Reason
    ) -> Finding:
        if value is None:
            return alarm_type.finding(None, cause)
        if alarm_type.key() in self.standing:
            limit *= 1 - self.margin_percent / 100
        return alarm_type.finding(value >= limit, cause, {"value": round(value, 1)})


def _bits(alarm_type: AlarmType, bits: int | None, mask: int, cause: Reason) -> Finding:
    if bits is None:
        return alarm_type.finding(None, cause)
    return alarm_type.finding(bool(bits & mask), cause, {"bits": f"0x{bits:x}"})


def _disk(host: HostSample, limits: HostLimits, high: _High) -> Finding:
    if host.disk_read_only or (host.disk_error and host.disk_error not in _FULL):
        arguments: dict[str, Argument] = {"error": host.disk_error or "EROFS"}
        return HOST_DISK.finding(True, Reason.DISK_READONLY, arguments)
    if host.disk_error:
        return HOST_DISK.finding(True, Reason.DISK_FULL, {"error": host.disk_error})
    return high(HOST_DISK, host.disk_percent, limits.disk_percent, Reason.DISK_NEARLY_FULL)


def _descriptors_percent(host: HostSample) -> float | None:
    if host.descriptors is None or not host.descriptors_limit:
        return None
    return 100.0 * host.descriptors / host.descriptors_limit


def _clock(host: HostSample, limits: HostLimits) -> Finding:
    if (host.clock_behind_s or 0) >= limits.clock_behind_s:
        arguments = {"behind_s": round(host.clock_behind_s or 0)}
        return HOST_CLOCK.finding(True, Reason.CLOCK_BEHIND, arguments)
    if host.clock_synced is False:
        young = host.uptime_s is not None and host.uptime_s < SYNC_S
        return HOST_CLOCK.finding(None if young else True, Reason.CLOCK_UNSYNCED)
    if host.clock_offset_ms is None:
        bad = None if host.clock_synced is None else False
        return HOST_CLOCK.finding(bad, Reason.CLOCK_OFF)
    off = abs(host.clock_offset_ms) >= limits.clock_offset_s * 1000
    return HOST_CLOCK.finding(off, Reason.CLOCK_OFF, {"off_ms": round(host.clock_offset_ms)})
