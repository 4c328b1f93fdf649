"""From where on the machine is in trouble, and from where on no longer."""

from __future__ import annotations

import pytest

from gateway.alarms.host_rules import (
    DAY_MS,
    SYNC_S,
    certificate_finding,
    host_findings,
    rollback_finding,
)
from gateway.model.alarm import Finding, HostLimits, Severity
from gateway.model.health import HostSample
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.config import Reported

LIMITS = HostLimits()


def found(sample: HostSample, *standing: str) -> dict[str, Finding]:
    return {each.key: each for each in host_findings(sample, LIMITS, standing)}


def test_what_nobody_knows_is_not_judged() -> None:
    """A machine that tells nothing has no alarms."""
    assert {each.bad for each in found(HostSample()).values()} == {None}


@pytest.mark.parametrize(
    ("sample", "key", "cause", "severity"),
    [
        (HostSample(temperature_c=80.0), "host.temp", Reason.OVERHEATED, "major"),
        (HostSample(throttled=0x50001), "host.power", Reason.UNDERVOLTAGE, "major"),
        (HostSample(throttled=0x4), "host.throttled", Reason.THROTTLED, "major"),
        (HostSample(cpu_percent=99.0), "host.cpu", Reason.CPU_BUSY, "minor"),
        (HostSample(memory_percent=93.0), "host.mem", Reason.MEMORY_LOW, "major"),
        (HostSample(disk_percent=91.0), "host.disk", Reason.DISK_NEARLY_FULL, "minor"),
        (HostSample(disk_error="ENOSPC"), "host.disk", Reason.DISK_FULL, "critical"),
        (HostSample(disk_error="EIO"), "host.disk", Reason.DISK_READONLY, "critical"),
        (HostSample(disk_read_only=True), "host.disk", Reason.DISK_READONLY, "critical"),
        (
            HostSample(descriptors=900, descriptors_limit=1024),
            "host.fds",
            Reason.DESCRIPTORS_LOW,
            "major",
        ),
        (HostSample(clock_synced=False), "host.clock", Reason.CLOCK_UNSYNCED, "warning"),
        (
            HostSample(clock_synced=True, clock_offset_ms=-2500.0),
            "host.clock",
            Reason.CLOCK_OFF,
            "major",
        ),
    ],
)
def test_trouble_has_its_word(
    sample: HostSample, key: str, cause: Reason, severity: Severity
) -> None:
    """One alarm, with its cause and how bad it is."""
    bad = [each for each in found(sample).values() if each.bad]

    assert [(each.key, each.cause, each.severity) for each in bad] == [(key, cause, severity)]


def test_what_was_once_and_is_over_is_no_alarm() -> None:
    """The upper bits remember under-voltage since the start; now all is well."""
    assert found(HostSample(throttled=0x50000))["host.power"].bad is False


def test_a_value_must_fall_below_its_limit_by_a_margin() -> None:
    """78 degrees are well before an alarm and not well after one."""
    sample = HostSample(temperature_c=78.0)

    assert found(sample)["host.temp"].bad is False
    assert found(sample, "host.temp")["host.temp"].bad is True
    assert found(HostSample(temperature_c=75.0), "host.temp")["host.temp"].bad is False


@pytest.mark.parametrize(
    ("days", "bad", "cause", "severity"),
    [
        (31, False, Reason.CERT_ENDS_SOON, "warning"),
        (29, True, Reason.CERT_ENDS_SOON, "warning"),
        (13, True, Reason.CERT_ENDS_SOON, "minor"),
        (6, True, Reason.CERT_ENDS_SOON, "major"),
        (0.5, True, Reason.CERT_ENDS_SOON, "critical"),
        (-1, True, Reason.TLS_EXPIRED, "critical"),
    ],
)
def test_the_end_of_the_certificate_is_told_30_14_7_and_1_days_before(
    days: float, bad: bool, cause: Reason, severity: Severity
) -> None:
    """Louder each time."""
    finding = certificate_finding(1_000 + round(days * DAY_MS), 1_000, LIMITS)

    assert (finding.bad, finding.cause, finding.severity) == (bad, cause, severity)


def test_a_clock_has_five_minutes_after_the_start() -> None:
    """A machine without a battery clock always starts with a wrong one."""
    young, old = (
        found(HostSample(clock_synced=False, uptime_s=uptime_s))["host.clock"]
        for uptime_s in (SYNC_S - 1, SYNC_S)
    )

    assert (young.bad, old.bad) == (None, True)


def test_no_certificate_is_no_finding() -> None:
    """A gateway without one, or whose file cannot be read."""
    assert certificate_finding(None, 0, LIMITS).bad is None


@pytest.mark.parametrize(
    ("reported", "bad"),
    [
        (Reported(version=4, state="rolled_back", why="deadline"), True),
        (Reported(version=4, state="rolled_back", why="cancel"), False),
        (Reported(version=4, state="applied"), False),
    ],
)
def test_a_configuration_that_did_not_work_is_an_alarm(reported: Reported, bad: bool) -> None:
    """Until another one is tried; what somebody cancelled was rolled back on purpose."""
    finding = rollback_finding(reported)

    assert (finding.bad, finding.cause) == (bad, Reason.ROLLED_BACK)
    assert finding.arguments == {"ver": 4}
