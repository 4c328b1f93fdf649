"""One round of checks: measures everything once and applies all rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from gateway.alarms.camera_rules import SiteTopology, camera_findings
from gateway.alarms.document_rules import document_findings
from gateway.alarms.host_rules import (
    StoreTroubles,
    bug_finding,
    certificate_finding,
    host_findings,
    rollback_finding,
    store_findings,
)
from gateway.alarms.recent_deaths import RecentDeaths
from gateway.health.camera_health import health_of
from gateway.model.alarm import Finding, HostLimits
from gateway.model.document_standing import DocumentStanding
from gateway.model.health import CameraSnapshot, ChildDeaths, HostSample
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.config import Reported
from gateway.ports import Bus, Clock
from gateway.runtime.bugs import bug_counts, last_bug
from gateway.runtime.clock import now_ms

SuspectedFaults = Callable[[], Mapping[str, frozenset[Reason]]]
"""Returns what the picture checks suspect: camera -> reasons."""


class AlarmEvaluation:
    """Applies the rules to what is known now.

    Args:
        snapshots: Returns the cameras as they are now.
        topology: What stands before which camera.
        host: Returns the newest sample of the machine.
        limits: From which values on the machine is in trouble.
        certificate_ends_ms: Returns when the gateway's certificate ends, wall clock; None: unknown.
        renewal_failed: Returns whether it should have been renewed and was not.
        bus: Tells whether the gateway is connected.
        clock: Monotonic.
        suspected_faults: What the picture checks suspect.
        last_bug: Returns place and monotonic time of the last contained bug.
        bug_counts: Returns how many there were, by boundary.
        stores: Files that must be written.
        child_deaths: Returns how many child processes have died.
        configuration: Returns what is reported of the centre's configuration.
        wall_ms: Now, ms since 1970, by which the end of the certificate is judged.
        documents: Returns how the monthly documents stand.
    """

    def __init__(
        self,
        *,
        snapshots: Callable[[], tuple[CameraSnapshot, ...]],
        topology: SiteTopology,
        host: Callable[[], HostSample],
        limits: HostLimits,
        certificate_ends_ms: Callable[[], int | None],
        configuration: Callable[[], Reported],
        bus: Bus,
        clock: Clock,
        suspected_faults: SuspectedFaults = dict,
        stores: StoreTroubles | None = None,
        child_deaths: Callable[[], ChildDeaths] = ChildDeaths,
        renewal_failed: Callable[[], bool] = lambda: False,
        wall_ms: Callable[[], int] = now_ms,
        documents: Callable[[], tuple[DocumentStanding, ...]] = tuple,
        last_bug: Callable[[], tuple[str, float] | None] = last_bug,
        bug_counts: Callable[[], Mapping[str, int]] = bug_counts,
    ) -> None:
        self._wall_ms = wall_ms
        self._documents = documents
        self._snapshots = snapshots
        self._topology = topology
        self._host = host
        self._limits = limits
        self._certificate_ends_ms = certificate_ends_ms
        self._renewal_failed = renewal_failed
        self._bus = bus
        self._clock = clock
        self._suspected_faults = suspected_faults
        self._configuration = configuration
        self._last_bug = last_bug
        self._bug_counts = bug_counts
        self._stores = stores or StoreTroubles()
        self._child_deaths = child_deaths
        self._recent_deaths = RecentDeaths()

    def evaluate(self, standing: Collection[str]) -> list[Finding]:
        """Return one finding for each alarm; *standing* are the keys of those raised now."""
        now_s = self._clock.now()
        wall_ms, host = self._wall_ms(), self._host()
        cameras = [
            health_of(each, now_s, None, now_s, wall_s=wall_ms / 1000) for each in self._snapshots()
        ]
        return [
            *camera_findings(
                cameras,
                self._topology,
                connected=self._bus.connected,
                suspected_faults=self._suspected_faults(),
                clock_right=bool(host.clock_synced) and not host.clock_behind_s,
                standing=standing,
            ),
            *host_findings(host, self._limits, standing),
            *store_findings(self._stores),
            certificate_finding(
                self._certificate_ends_ms(),
                wall_ms,
                self._limits,
                renewal_failed=self._renewal_failed(),
            ),
            rollback_finding(self._configuration()),
            bug_finding(self._last_bug(), sum(self._bug_counts().values()), time.monotonic()),
            self._recent_deaths.finding(self._child_deaths(), now_s),
            *document_findings(self._documents(), wall_ms),
        ]
