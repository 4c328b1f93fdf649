"""What is tried: counted, timed, kept or undone, from wherever that was interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.updates import state
from gateway.updates.rollback import decide, on_start, step, watch
from gateway.updates.state import (
    PROGRAM,
    REPORT,
    TRYING,
    Candidate,
    Decision,
    Health,
    Limits,
    load_candidate,
    raise_minimum,
    read_minimum,
    read_tree,
    save_candidate,
    switch,
)
from tests.fixtures.releases import NEW, OLD, Box, make_box

LIMITS = Limits(gate_s=600, patience_s=300, connect_s=60, min_alive_percent=95)
BEFORE = Health(OLD, 0, connected=True, working=("a", "b"), enabled=("a", "b", "c"))
TRIED = Candidate("o1", NEW, OLD, "0.2.0", LIMITS, BEFORE, starts=1, connected=True)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make_box(tmp_path)
    box.install(box.bundle(min_version="0.2.0"), limits=replace(LIMITS, crashes=3))
    return box


def health(now_s: float, **facts: object) -> Health:
    said = Health(NEW, now_s, connected=True, working=("a", "b"), enabled=("a", "b", "c"))
    return replace(said, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, None),
        ({"working": ("a", "b", "c")}, None),
        ({"connected": False}, None),
        ({"working": ("a",)}, "health_gate"),
        ({"working": ("a", "c")}, "health_gate"),
        ({"working": ("a",), "enabled": ("a", "c"), "paused": ("b",)}, None),
        ({"working": (), "enabled": ()}, "health_gate"),
        ({"version": OLD}, "deadline"),
        ({"up_s": 800.0}, "deadline"),
        ({"up_s": 2_000.0}, "deadline"),
    ],
)
def test_a_release_must_be_as_good_as_the_former(
    facts: Mapping[str, object], why: str | None
) -> None:
    """What was broken or has been paused does not count; a line that died after it was proved.

    A camera that it does not know any more is lost.
    """
    said = decide(TRIED, health(900.0, **facts), now_s=900.0, ran_s=900.0)

    assert said is not None
    assert (said.state, said.why or None) == ("applied" if why is None else "rolled_back", why)


def test_one_that_never_reached_the_centre_is_undone() -> None:
    """If the former did; a site without a line does not ask that of the new one."""
    never = replace(TRIED, connected=False)
    away = replace(never, before=replace(BEFORE, connected=False))

    one = decide(never, health(900.0), now_s=900.0, ran_s=900.0)
    other = decide(away, health(900.0), now_s=900.0, ran_s=900.0)

    assert one is not None
    assert other is not None
    assert (one.why, other.state) == ("connect_failed", "applied")


def test_nothing_is_decided_before_its_time() -> None:
    """A good one has to run for ten minutes, a bad one may still become good for five more."""
    good, bad = health(0.0), health(0.0, working=())

    assert decide(TRIED, good, now_s=0.0, ran_s=599.0) is None
    assert decide(TRIED, bad, now_s=0.0, ran_s=899.0) is None


def test_the_fourth_start_is_of_the_former(box: Box) -> None:
    """Three it is given; nothing of the release itself is asked."""
    for _ in range(3):
        on_start(box.layout)
        assert box.says() == NEW

    on_start(box.layout)

    said = read_tree(box.layout.state / REPORT) or {}
    assert box.says() == OLD
    assert (said["state"], said["why"], said["attempt"]) == ("rolled_back", "crash_loop", 3)
    assert not (box.layout.state / TRYING).exists()


def test_a_start_without_anything_tried_changes_nothing(box: Box) -> None:
    """Nor does it need the folder."""
    (box.layout.state / TRYING).unlink()

    on_start(box.layout)
    on_start(replace(box.layout, state=box.folder / "none"))

    assert box.says() == NEW


def test_a_switch_that_did_not_come_about_is_no_trial(box: Box) -> None:
    """The power went between the record and the link: the former runs, and that is said."""
    switch(box.layout, OLD)

    on_start(box.layout)

    said = read_tree(box.layout.state / REPORT) or {}
    assert (box.says(), said["state"], said["reason"]) == (OLD, "rejected", "UPDATE_INTERRUPTED")


def test_a_link_that_leads_nowhere_is_mended(box: Box) -> None:
    """By whatever it was removed."""
    (box.layout.releases / NEW / "bin" / "camera-gateway").unlink()

    on_start(box.layout)

    assert box.says() == OLD


def test_one_that_has_proved_good_raises_the_minimum(box: Box) -> None:
    """Not before: the way back must stay open while it is tried."""
    on_start(box.layout)
    before = read_minimum(box.layout)
    candidate = load_candidate(box.layout)
    assert candidate is not None

    ended = step(
        box.layout,
        replace(candidate, connected=True, before=BEFORE),
        health(candidate.started_s + 601),
        candidate.started_s + 601,
        0.0,
    )

    said = read_tree(box.layout.state / REPORT) or {}
    assert (ended, before, read_minimum(box.layout)) == (None, "", "0.2.0")
    assert (said["state"], box.says()) == ("applied", NEW)


def test_what_is_tried_is_known_to_itself(box: Box) -> None:
    """Then it does not yet forbid the former one to start (`gateway.runtime.minimum_version`)."""
    assert state.is_tried(NEW, box.layout)
    assert not state.is_tried(OLD, box.layout)


def test_the_minimum_only_grows(box: Box) -> None:
    """0.10 is above 0.9."""
    for version in ("0.9.0", "0.10.0", "0.9.9"):
        raise_minimum(box.layout, version)

    assert read_minimum(box.layout) == "0.10.0"


def test_one_that_is_undone_is_gone_when_the_former_has_started(box: Box) -> None:
    """Its record lasts until then: whoever is killed in between goes on with it."""
    on_start(box.layout)
    candidate = load_candidate(box.layout)
    assert candidate is not None

    left = step(box.layout, candidate, Health(), candidate.started_s + 901, 0.0)
    again = load_candidate(box.layout)
    on_start(box.layout)

    assert left is not None
    assert again is not None
    assert again.decision == Decision(
        "rolled_back", "deadline", "UPDATE_SILENT", "it does not say how it is"
    )
    assert (box.says(), (box.layout.state / TRYING).exists()) == (OLD, False)


def test_without_a_former_release_the_new_one_stays(box: Box) -> None:
    """Neither would be worse than one that is not quite well."""
    on_start(box.layout)
    (box.layout.releases / OLD / "bin" / "camera-gateway").unlink()
    candidate = load_candidate(box.layout)
    assert candidate is not None

    step(box.layout, candidate, Health(), candidate.started_s + 901, 0.0)

    said = read_tree(box.layout.state / REPORT) or {}
    assert (box.says(), said["state"], said["reason"]) == (NEW, "applied", "UPDATE_SILENT")


def test_a_record_that_is_damaged_keeps_nothing_from_starting(box: Box) -> None:
    """It is put aside, and what the link names is started."""
    (box.layout.state / TRYING).write_text('{"id":', encoding="utf-8")

    on_start(box.layout)

    assert box.says() == NEW
    assert (box.layout.state / f"{TRYING}.damaged").exists()


def test_two_releases_are_kept(box: Box) -> None:
    """What runs and what it has replaced; what was left half done goes as well."""
    for name in ("0.0.1", ".new-9.9.9", ".gone-0.0.0"):
        (box.layout.releases / name / "bin").mkdir(parents=True)
    candidate = load_candidate(box.layout)
    assert candidate is not None
    save_candidate(box.layout, replace(candidate, decision=Decision("applied")))

    on_start(box.layout)
    watch(box.layout, ["false"])

    assert box.versions() == [OLD, NEW]


def test_the_program_needs_no_release(box: Box) -> None:
    """The machine's own Python runs it, alone in an empty folder, with all releases broken."""
    for path in box.layout.releases.glob("*/lib/site-packages/gateway/__init__.py"):
        path.write_text("raise SystemExit('broken')", encoding="utf-8")
    program = box.layout.state / PROGRAM
    folders = ["--top", box.layout.top, "--state", box.layout.state, "--run", box.layout.run]
    command = ["/usr/bin/python3", "-I", "-S", str(program), "start", *map(str, folders)]

    for _ in range(4):
        subprocess.run(command, check=True, cwd="/", env={}, timeout=60)

    assert box.says() == OLD


def test_watching_has_it_started_and_undone(box: Box) -> None:
    """The whole way: asked to start, silent, switched back, the former started, cleaned."""
    candidate = load_candidate(box.layout)
    assert candidate is not None
    save_candidate(
        box.layout, replace(candidate, limits=replace(LIMITS, gate_s=0.0, patience_s=0.0))
    )
    folders = ["--top", box.layout.top, "--state", box.layout.state, "--run", box.layout.run]
    start = [sys.executable, str(box.layout.state / PROGRAM), "start", *map(str, folders)]

    watch(box.layout, [*start], poll_s=0.01)

    said = read_tree(box.layout.state / REPORT) or {}
    assert (box.says(), box.versions(), said["state"]) == (OLD, [OLD], "rolled_back")


@pytest.mark.parametrize("content", ["[]", "{}", '{"version":1}', "{" * 100_000, "\x00" * 9])
def test_what_the_gateway_says_may_be_anything(box: Box, content: str) -> None:
    """Root reads it with care; what is not understood is not healthy."""
    (box.layout.run / state.HEALTH).write_text(content, encoding="utf-8")

    assert state.read_health(box.layout) == Health()


def test_a_candidate_comes_back_from_the_disk(box: Box) -> None:
    """With everything that it was written with."""
    candidate = replace(TRIED, decision=Decision("rolled_back", "disk"))
    save_candidate(box.layout, candidate)

    assert load_candidate(box.layout) == candidate
    assert json.loads((box.layout.state / TRYING).read_text())["version"] == NEW
