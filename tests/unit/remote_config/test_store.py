"""The centre's configuration on the store: old or new at any moment, and tried a few times only."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.mqtt.payloads.config import Reported, parse_desired
from gateway.remote_config.document import parse_config
from gateway.remote_config.startup import resume_candidate
from gateway.remote_config.statuses import rolled_back
from gateway.remote_config.store import ConfigStore, StoredConfig
from tests.fixtures.desired import SigningHarness, site_tree


@pytest.fixture
def signing(tmp_path: Path) -> SigningHarness:
    return SigningHarness.trusted_in(tmp_path / "trusted")


def stored(signing: SigningHarness, version: int, *cameras: str) -> StoredConfig:
    doc = {"site": site_tree(*cameras)}
    desired = parse_desired(signing.sign(version, doc))
    return StoredConfig.from_document(desired, parse_config("config/2", doc))


def confirmed_twice(folder: Path, signing: SigningHarness) -> ConfigStore:
    """What a disk holds on which 5 was confirmed, and then 6."""
    store = ConfigStore(folder)
    for version in (5, 6):
        store.save_candidate(stored(signing, version, "c01"))
        store.confirm_candidate()
    return store


def both(store: ConfigStore, crashes: int = 3) -> tuple[StoredConfig | None, StoredConfig | None]:
    """What is confirmed and what is being tried, at a start."""
    confirmed, _ = store.load_confirmed()
    return confirmed, resume_candidate(store, confirmed, crashes=crashes)


def versions(store: ConfigStore, crashes: int = 3) -> tuple[int | None, int | None]:
    confirmed, candidate = both(store, crashes)
    return (
        None if confirmed is None else confirmed.version,
        None if candidate is None else candidate.version,
    )


def test_what_is_confirmed_is_there_at_the_next_start(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """With what it says."""
    store = ConfigStore(tmp_path)
    written = stored(signing, 5, "c01")
    store.save_candidate(written)
    store.confirm_candidate()

    confirmed, candidate = both(store)

    assert candidate is None
    assert confirmed == written


def test_what_is_being_tried_is_begun_again_after_a_power_cut(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """What is confirmed stays beside it, and the beginnings are counted."""
    store = ConfigStore(tmp_path)
    store.save_candidate(stored(signing, 5, "c01"))
    store.confirm_candidate()
    store.save_candidate(stored(signing, 6, "c02"))

    confirmed, candidate = both(store)

    assert confirmed is not None
    assert candidate is not None
    assert (confirmed.version, candidate.version, candidate.attempt) == (5, 6, 2)


def test_what_ends_the_program_again_and_again_is_undone(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """At the third beginning without a confirmation, and never tried again."""
    store = ConfigStore(tmp_path)
    store.save_candidate(stored(signing, 5, "c01"))

    assert versions(store) == (None, 5)
    assert versions(store) == (None, 5)
    assert versions(store) == (None, None)
    report = store.load_last_rollback()
    assert report is not None
    assert (report.version, report.state, report.why) == (5, "rolled_back", "crash_loop")


def test_what_is_undone_stays_undone_if_it_could_not_be_removed(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """The rollback is on the disk before the candidate goes."""
    store = ConfigStore(tmp_path)
    candidate = stored(signing, 5, "c01")
    store.save_candidate(candidate)
    raw = (tmp_path / "candidate.json").read_bytes()
    store.roll_back_candidate(rolled_back(candidate, "deadline", "", 0))
    (tmp_path / "candidate.json").write_bytes(raw)

    assert versions(store) == (None, None)
    assert not (tmp_path / "candidate.json").exists()


def test_what_was_undone_may_be_tried_under_another_version(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """The rollback of the first is none of the second, whose attempts are counted as any's."""
    store = ConfigStore(tmp_path)
    first = stored(signing, 5, "c01")
    store.save_candidate(first)
    store.roll_back_candidate(rolled_back(first, "deadline", "", 0))
    store.save_candidate(stored(signing, 6, "c01"))

    assert versions(store) == (None, 6)
    assert versions(store) == (None, 6)
    assert versions(store) == (None, None)


def test_a_confirmed_document_that_is_destroyed_leaves_its_predecessor(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """At every byte where it may be cut off."""
    store = confirmed_twice(tmp_path, signing)
    raw = (tmp_path / "config.json").read_bytes()
    for length in range(len(raw) - 2):  # without its line's end it is whole
        (tmp_path / "config.json").write_bytes(raw[:length])
        assert versions(store) == (5, None)


def test_a_destroyed_document_does_not_push_out_its_predecessor(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """The next one that is confirmed takes its place; what ran meanwhile stays behind it."""
    store = confirmed_twice(tmp_path, signing)
    (tmp_path / "config.json").write_bytes(b"")
    store.save_candidate(stored(signing, 7, "c01"))
    store.confirm_candidate()
    (tmp_path / "config.json").write_bytes(b"")

    assert versions(store) == (5, None)


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"\xff" * 40, b"null", b'{"document":{}}'])
def test_files_that_are_none_are_as_good_as_none(tmp_path: Path, junk: bytes) -> None:
    """All of them at once."""
    for name in ("config.json", "config.json.prev", "candidate.json", "last_rollback.json"):
        (tmp_path / name).write_bytes(junk)

    assert versions(ConfigStore(tmp_path)) == (None, None)


def test_a_document_of_a_newer_program_gives_way_to_the_one_before(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """E10: after a downgrade the newest document that this program can read runs; both stay."""
    store = confirmed_twice(tmp_path, signing)
    tree = json.loads((tmp_path / "config.json").read_text())
    tree["document"]["schema"] = "config/3"
    (tmp_path / "config.json").write_text(json.dumps(tree))

    assert versions(store) == (5, None)
    assert json.loads((tmp_path / "config.json").read_text()) == tree


def test_a_document_of_the_first_schema_runs_under_this_program(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """E10: an upgrade needs no new document."""
    doc = site_tree("c01", "c02")
    desired = parse_desired(signing.sign(5, doc, schema="config/1"))
    store = ConfigStore(tmp_path)
    store.save_candidate(StoredConfig.from_document(desired, parse_config("config/1", doc)))
    store.confirm_candidate()

    confirmed, _ = both(store)

    assert confirmed is not None
    assert [camera.id for camera in confirmed.config.site.cameras] == ["c01", "c02"]


STEPS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir")


def dies_before_step(number: int, act: Callable[[], None]) -> bool:
    """*act* in a process that dies before so many a step on the disk; whether it came to that."""
    pid = os.fork()
    if pid == 0:
        left = [number]

        def count(event: str, _: object) -> None:
            if event in STEPS:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        try:
            sys.addaudithook(count)
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


@pytest.mark.parametrize("change", ["save", "confirm", "roll back"])
def test_death_before_any_step_leaves_the_old_document_or_the_new(
    tmp_path: Path, signing: SigningHarness, change: str
) -> None:
    """D3: before the first step, before the second, and so on until the change is through."""
    new = stored(signing, 7, "c01")
    outcomes = set()
    for number in range(1, 100):
        folder = tmp_path / str(number)
        store = confirmed_twice(folder, signing)
        if change != "save":
            store.save_candidate(new)
        acts: dict[str, Callable[[], None]] = {
            "save": lambda: store.save_candidate(new),  # noqa: B023  (called at once)
            "confirm": store.confirm_candidate,
            "roll back": lambda: store.roll_back_candidate(rolled_back(new, "cancel", "", 6)),  # noqa: B023
        }

        died = dies_before_step(number, acts[change])

        outcomes.add(versions(store))
        if not died:
            break

    assert (
        outcomes
        == {
            "save": {(6, None), (6, 7)},
            "confirm": {(6, 7), (7, None)},
            "roll back": {(6, 7), (6, None)},
        }[change]
    )
    assert number > 3


@pytest.mark.parametrize("change", ["save", "confirm", "roll back"])
def test_what_is_written_is_synced_before_it_takes_its_name(
    tmp_path: Path, signing: SigningHarness, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """D3: and the folder after it, so that a power cut finds the one or the other."""
    store = ConfigStore(tmp_path)
    done: list[str] = []
    new = stored(signing, 7, "c01")
    if change != "save":
        store.save_candidate(new)
    real_sync, real_rename, real_remove = os.fsync, os.replace, os.unlink

    def sync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_sync(handle)

    def rename(old: Path, new: Path) -> None:
        done.append("name")
        real_rename(old, new)

    def remove(path: Path) -> None:
        if Path(path).exists() and not Path(path).name.startswith("."):
            done.append("remove")
        real_remove(path)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(os, "unlink", remove)
    if change == "save":
        store.save_candidate(new)
    elif change == "confirm":
        store.confirm_candidate()
    else:
        store.roll_back_candidate(rolled_back(new, "cancel", "", 0))

    assert (
        done
        == {
            "save": ["file", "name", "folder"],
            "confirm": ["name", "folder"],  # what it renames was synced when it was begun
            "roll back": ["file", "name", "folder", "remove", "folder"],
        }[change]
    )


def change_until_killed(
    store: ConfigStore, documents: list[StoredConfig], *, steps: int, after_s: float
) -> None:
    """Try *documents*, undo each third, confirm the others, in a process that is killed.

    That is *after_s* behind so many *steps*: a document that is begun, confirmed or undone.
    """
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:  # nothing is cleaned up: what runs on is a change, until it is killed
        try:
            for candidate in documents:
                store.save_candidate(candidate)
                os.write(tells, b".")
                if candidate.version % 3 == 0:
                    store.roll_back_candidate(rolled_back(candidate, "cancel", "", 1))
                else:
                    store.confirm_candidate()
                os.write(tells, b".")
        finally:
            os._exit(0)
    for _ in range(steps):
        os.read(told, 1)
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(told)
    os.close(tells)


def test_kill_9_at_200_moments_leaves_the_old_document_or_the_new(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """The next start finds a document each time, and never tries one that was undone."""
    chance = random.Random(20_20)
    store = ConfigStore(tmp_path / "state")
    store.save_candidate(stored(signing, 1, "c1"))
    store.confirm_candidate()
    newest = 1
    found: set[str] = set()
    for _ in range(200):
        documents = [stored(signing, newest + n, f"c{newest + n}") for n in range(1, 13)]
        steps, after_s = chance.randrange(4), chance.uniform(0, 0.001)
        change_until_killed(store, documents, steps=steps, after_s=after_s)

        confirmed, candidate = both(store, crashes=1000)

        assert confirmed is not None
        assert confirmed.config.site.cameras[0].id == f"c{confirmed.version}"
        assert confirmed.version % 3
        newest = max(newest, confirmed.version, 0 if candidate is None else candidate.version)
        if candidate is not None:
            assert candidate.version > confirmed.version
            store.roll_back_candidate(rolled_back(candidate, "cancel", "", 1))
        found.add("settled" if candidate is None else "trying")
    assert found == {"trying", "settled"}


def test_a_rollback_under_the_files_former_name_is_known(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """Or an updated gateway would try the document again."""
    store = ConfigStore(tmp_path)
    store.save_candidate(stored(signing, 7, "c01"))
    store.roll_back_candidate(Reported(state="rolled_back", version=7))
    (tmp_path / "last_rollback.json").rename(tmp_path / "verdict.json")

    report = ConfigStore(tmp_path).load_last_rollback()

    assert report is not None
    assert report.version == 7
