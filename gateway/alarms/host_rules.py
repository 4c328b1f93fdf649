"""What a round of checks finds about the machine itself and its certificate. Pure.

What nobody knows is not judged. A value that has raised an alarm must fall a little below its
limit before it counts as well again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from gateway.health.raspberry_pi import CAPPED, SOFT_LIMIT, THROTTLED, UNDERVOLTAGE
from gateway.model.alarm import Finding, HostLimits, Severity
from gateway.model.health import HostSample
from gateway.model.reasons import Reason

DAY_MS = 86_400_000
SYNC_S = 300.0
"""How long after the machine has started its clock may still be unset: NTP takes its time."""

_SLOW = CAPPED | THROTTLED | SOFT_LIMIT
_FULL = ("ENOSPC", "EDQUOT")


def host_findings(
    host: HostSample, limits: HostLimits, standing: Collection[str]
) -> Iterator[Finding]:
    """Yield what is found about *host*; *standing* are the keys of alarms that stand."""
    high = _High(limits.margin_percent, standing)
    yield _temperature(host, limits, high)
    yield _bits("host.power", host.throttled, UNDERVOLTAGE, Reason.UNDERVOLTAGE)
    slow = _bits("host.throttled", host.throttled, _SLOW, Reason.THROTTLED)
    yield replace(slow, parents=("host.power", "host.temp"))
    yield high("host.cpu", host.cpu_percent, limits.cpu_percent, Reason.CPU_BUSY, "minor")
    yield high("host.mem", host.memory_percent, limits.memory_percent, Reason.MEMORY_LOW, "major")
    yield _disk(host, limits, high)
    yield high("host.fds", _fds(host), limits.descriptors_percent, Reason.DESCRIPTORS_LOW, "major")
    yield _clock(host, limits)


def certificate_finding(ends_ms: int | None, now_ms: int, limits: HostLimits) -> Finding:
    """Return how long our certificate lasts; None: we have none, or it cannot be read."""
    if ends_ms is None:
        return Finding("cert.ends", None, Reason.CERT_ENDS_SOON, "warning")
    days = (ends_ms - now_ms) / DAY_MS
    severity: Severity = (
        "critical" if days <= 1 else "major" if days <= 7 else "minor" if days <= 14 else "warning"
    )
    cause = Reason.TLS_EXPIRED if days <= 0 else Reason.CERT_ENDS_SOON
    bad = days <= limits.certificate_days
    return Finding("cert.ends", bad, cause, severity, {"days": int(days // 1)})


@dataclass(frozen=True, slots=True)
class _High:
    """Judges a value by its limit."""

    margin_percent: float
    standing: Collection[str]

    def __call__(
        self, key: str, value: float | None, limit: float, cause: Reason, severity: Severity
    ) -> Finding:
        if value is None:
            return Finding(key, None, cause, severity)
        if key in self.standing:
            limit *= 1 - self.margin_percent / 100
        return Finding(key, value >= limit, cause, severity, {"value": round(value, 1)})


def _temperature(host: HostSample, limits: HostLimits, high: _High) -> Finding:
    return high("host.temp", host.temperature_c, limits.temperature_c, Reason.OVERHEATED, "major")


def _bits(key: str, bits: int | None, mask: int, cause: Reason) -> Finding:
    bad = None if bits is None else bool(bits & mask)
    return Finding(key, bad, cause, "major", {} if bits is None else {"bits": f"0x{bits:x}"})


def _disk(host: HostSample, limits: HostLimits, high: _High) -> Finding:
    if host.disk_read_only or (host.disk_error and host.disk_error not in _FULL):
        arguments = {"error": host.disk_error or "EROFS"}
        return Finding("host.disk", True, Reason.DISK_READONLY, "critical", arguments)
    if host.disk_error:
        return Finding("host.disk", True, Reason.DISK_FULL, "critical", {"error": host.disk_error})
    return high(
        "host.disk", host.disk_percent, limits.disk_percent, Reason.DISK_NEARLY_FULL, "minor"
    )


def _fds(host: HostSample) -> float | None:
    if host.descriptors is None or not host.descriptors_limit:
        return None
    return 100.0 * host.descriptors / host.descriptors_limit


def _clock(host: HostSample, limits: HostLimits) -> Finding:
    if host.clock_synced is False:
        young = host.uptime_s is not None and host.uptime_s < SYNC_S
        return Finding("host.clock", None if young else True, Reason.CLOCK_UNSYNCED, "warning")
    if host.clock_offset_ms is None:
        bad = None if host.clock_synced is None else False
        return Finding("host.clock", bad, Reason.CLOCK_OFF, "major")
    off = abs(host.clock_offset_ms) >= limits.clock_offset_s * 1000
    arguments = {"off_ms": round(host.clock_offset_ms)}
    return Finding("host.clock", off, Reason.CLOCK_OFF, "major", arguments)
