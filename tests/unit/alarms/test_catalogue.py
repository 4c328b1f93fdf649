"""Every alarm has a row, every row can be raised, and nobody else spells a severity."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from gateway.alarms import catalogue
from gateway.alarms.camera_rules import SiteTopology
from gateway.alarms.catalogue import CATALOGUE, AlarmType
from gateway.alarms.evaluate import AlarmEvaluation
from gateway.alarms.host_rules import DAY_MS, SYNC_S, StoreTroubles
from gateway.alarms.recent_deaths import DEATHS
from gateway.health.camera_health import health_of
from gateway.health.raspberry_pi import THROTTLED, UNDERVOLTAGE
from gateway.model.alarm import Finding, HostLimits, Severity
from gateway.model.document_standing import DocumentStanding, DocumentState
from gateway.model.errors import TransientError
from gateway.model.health import CameraSnapshot, ChildDeaths, HostSample
from gateway.model.media import ClockReading
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.alarm import Key
from gateway.mqtt.payloads.config import Reported
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import now_ms
from gateway.sources.probe_steps import ADVICE
from tests.fixtures.clock import FakeClock

PACKAGE = Path(catalogue.__file__).parents[1]
UPSTREAM = {"c1": ("nvr1",), "c2": ("nvr1",), "c3": ("sw1",), "c4": ("sw1",)}
DAYS_LEFT = (-1.0, 0.5, 1.0, 5.0, 7.0, 10.0, 14.0, 20.0, 30.0)


class Line:
    """A bus whose line is up or down."""

    def __init__(self, *, connected: bool) -> None:
        self.connected = connected

    def publish(self, publication: OutboundMessage) -> None:
        """Rules send nothing."""

    def acknowledge(self, message: InboundMessage) -> None:
        """Nor does anything come in."""


def evaluate(
    reasons: dict[str, Reason] | None = None,
    *,
    host: HostSample | None = None,
    days_left: float | None = None,
    connected: bool = True,
    rolled_back: bool = False,
    bug: bool = False,
    suspected: Reason | None = None,
    disk: Reason | None = None,
    clock_ahead_s: float | None = None,
    slates_died: int = 0,
    documents: tuple[DocumentStanding, ...] = (),
) -> list[Finding]:
    """One round of checks of a site of four cameras, well but for what is given."""
    trouble = None if disk is None else TransientError(disk, "")
    clock, told = FakeClock(), None
    if clock_ahead_s is not None:
        told = ClockReading(now_ms() / 1000 + clock_ahead_s, clock.now())
    died = [7]  # long ago
    evaluation = AlarmEvaluation(
        snapshots=lambda: tuple(
            CameraSnapshot(
                name,
                name,
                True,
                (reasons or {}).get(name, Reason.OK),
                0.0,
                attempts=3,
                clock=told,
            )
            for name in UPSTREAM
        ),
        topology=SiteTopology(lambda camera: UPSTREAM[camera], lambda: ("nvr1",)),
        host=lambda: host or HostSample(),
        limits=HostLimits(),
        certificate_ends_ms=lambda: (
            None if days_left is None else now_ms() + round(days_left * DAY_MS)
        ),
        configuration=lambda: Reported(
            version=4,
            state="rolled_back" if rolled_back else "applied",
            why="deadline" if rolled_back else None,
        ),
        bus=Line(connected=connected),
        clock=clock,
        last_bug=lambda: ("session: ValueError", time.monotonic()) if bug else None,
        stores=StoreTroubles(*[lambda: trouble] * 4),
        suspected_faults=lambda: {"c1": frozenset({suspected})} if suspected else {},
        child_deaths=lambda: ChildDeaths(slate_deaths=sum(died)),
        documents=lambda: documents,
    )
    before = evaluation.evaluate(()) if slates_died else []
    died.append(slates_died)
    return [*before, *evaluation.evaluate(())]


def everything() -> Iterator[Finding]:
    """Whatever the rules find, one trouble after the other."""
    for reason in camera_reasons():
        yield from evaluate({"c1": reason})
        yield from evaluate({"c1": reason, "c2": reason})
        yield from evaluate({"c3": reason, "c4": reason})
    for suspected in picture_reasons():
        yield from evaluate(suspected=suspected)
    for host in (
        HostSample(temperature_c=99.0),
        HostSample(throttled=UNDERVOLTAGE),
        HostSample(throttled=THROTTLED),
        HostSample(cpu_percent=100.0, memory_percent=100.0, disk_percent=100.0),
        HostSample(disk_error="ENOSPC"),
        HostSample(disk_error="EIO"),
        HostSample(descriptors=1024, descriptors_limit=1024),
        HostSample(clock_synced=False, uptime_s=SYNC_S),
        HostSample(clock_synced=True, clock_offset_ms=-60_000.0),
        HostSample(clock_synced=False, uptime_s=1.0, clock_behind_s=86_400.0),
    ):
        yield from evaluate(host=host)
    for days in DAYS_LEFT:
        yield from evaluate(days_left=days)
    for disk in sorted(reasons_named_in("runtime/sqlite.py")):
        yield from evaluate(disk=disk)
    for state, days in product(get_args(DocumentState), (-1, 2)):
        due_ms = now_ms() + days * DAY_MS
        yield from evaluate(documents=(DocumentStanding("a-1", "2026-05", state, due_ms),))
    yield from evaluate(connected=False)
    yield from evaluate(rolled_back=True)
    yield from evaluate(bug=True)
    yield from evaluate(slates_died=DEATHS)
    for ahead_s in (3600.0, 1000.0):
        yield from evaluate(host=HostSample(clock_synced=True), clock_ahead_s=ahead_s)


def reasons_named_in(*places: str) -> set[Reason]:
    """The reasons that the code of *places*, packages or modules, names."""
    found = set()
    for place in (PACKAGE / each for each in places):
        for path in place.rglob("*.py") if place.is_dir() else [place]:
            found |= set(re.findall(r"\bReason\.([A-Z_]+)", path.read_text(encoding="utf-8")))
    return {Reason[name] for name in found}


def camera_reasons() -> set[Reason]:
    """Every reason that a camera may show."""
    return (
        reasons_named_in("rtsp", "sources", "capture", "cameras", "runtime/url_policy.py") - ADVICE
    )


def picture_reasons() -> set[Reason]:
    """Every reason that the picture checks may give."""
    return {each for each in reasons_named_in("vision") if each.startswith("PICTURE_")} | {
        Reason.CORRUPT
    }


def row_of(finding: Finding) -> AlarmType:
    """The one row whose pattern the key fits."""
    (row,) = [
        each
        for each in CATALOGUE
        if re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(each.pattern)), finding.key)
    ]
    return row


def test_every_alarm_that_a_rule_raises_has_a_row() -> None:
    """With a reason that the row lists, and a severity that it gives."""
    for finding in everything():
        row = row_of(finding)
        severities = {row.severity, *row.by_cause.values(), *(each for _, each in row.by_days_left)}
        assert not finding.bad or finding.cause in row.causes, finding
        assert finding.severity in severities, finding


def test_every_row_is_raised_with_each_of_its_reasons_and_severities() -> None:
    """A row that nothing raises, a reason that it never carries: both mislead whoever reads."""
    raised = {
        (row_of(each).pattern, each.cause, each.severity) for each in everything() if each.bad
    }

    for row in CATALOGUE:
        mine = [each for each in raised if each[0] == row.pattern]
        assert {cause for _, cause, _ in mine} == set(row.causes), row.pattern
        assert {severity for _, _, severity in mine} == {
            *(row.severity_of(cause) for cause in row.causes),
            *(severity for _, severity in row.by_days_left),
        }, row.pattern


def test_a_camera_is_down_for_every_reason_that_makes_it_off() -> None:
    """No reason of a source is forgotten in the row."""
    off = {
        reason
        for reason in camera_reasons()
        if health_of(CameraSnapshot("c", "c", True, reason, 0.0, attempts=3), 1.0, None, 1.0).state
        == "off"
    }

    assert off - {Reason.PAUSED_BY_CONFIG} == set(catalogue.CAMERA_DOWN.causes)


def test_every_row_of_the_module_is_in_the_catalogue_once() -> None:
    """And no two have the same key."""
    rows = [each for each in vars(catalogue).values() if isinstance(each, AlarmType)]

    assert rows == sorted(CATALOGUE, key=rows.index)
    assert len({each.pattern for each in CATALOGUE}) == len(CATALOGUE) == len(rows)


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.pattern)
def test_a_row_gives_a_key_that_is_fit_for_a_topic(row: AlarmType) -> None:
    """Every name in braces has its place."""
    names = dict.fromkeys(re.findall(r"\{(\w+)\}", row.pattern), "a-1")
    key = row.key(**names)

    assert TypeAdapter[str](Key).validate_python(key) == key
    assert row.by_cause.keys() <= set(row.causes)
    assert list(row.by_days_left) == sorted(row.by_days_left)


def test_severity_is_spelled_in_the_catalogue_only() -> None:
    """A rule that chose one itself would drift from the document."""
    severities = set(get_args(Severity))
    spelled = [
        f"{path.name}:{node.lineno}"
        for path in (PACKAGE / "alarms").glob("*.py")
        if path.name != "catalogue.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in severities
    ]

    assert spelled == []


def test_findings_are_made_by_rows_only() -> None:
    """Whoever makes one by hand chooses key and severity without the catalogue."""
    made = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if makes_findings(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert made == {"alarms/catalogue.py"}


def makes_findings(module: ast.Module) -> bool:
    """Whether *module* imports `Finding` of the alarms and calls it."""
    nodes = list(ast.walk(module))
    imported = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "gateway.model.alarm"
        and any(alias.name == "Finding" for alias in node.names)
        for node in nodes
    )
    return imported and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"
        for node in nodes
    )


@pytest.mark.parametrize(
    "host",
    [
        HostSample(),
        HostSample(clock_synced=False),
        HostSample(clock_synced=True, clock_behind_s=86_400.0),
    ],
)
def test_no_camera_is_blamed_by_a_clock_that_may_be_wrong_itself(host: HostSample) -> None:
    """It is not found to be right either: an alarm that is raised stays."""
    (finding,) = [
        each for each in evaluate(host=host, clock_ahead_s=3600.0) if each.key == "cam.c1.clock"
    ]

    assert finding.bad is None
