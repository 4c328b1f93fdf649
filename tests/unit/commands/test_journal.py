"""What the journal still knows after time, crashes and broken files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ulid import ULID

from gateway.commands.journal import FORGET_EVERY, RETENTION_MS, CommandJournal, JournalEntry
from gateway.model.errors import TransientError
from tests.fixtures.commands import ANSWERS, envelope, message, running_dispatcher

NOW_MS = 1_764_000_000_000
LATEST_MS = 2**46

ENTRY = JournalEntry(
    id="01JD80QZ6V5GKXW1Q6WZ3A9B2C",
    digest=b"\x01",
    name="dig",
    actor="op-17",
    signed=True,
    topic=ANSWERS,
    correlation=b"\x01\x02",
    boot="boot-1",
    taken_ms=NOW_MS,
)

CRASHING = """
import os, signal, sys
from pathlib import Path
from gateway.commands.journal import JournalEntry as Entry, CommandJournal as Journal
journal = Journal(Path(sys.argv[1]))
for number in range(20):
    entry = Entry(f"command-{number:04}", b"1", "dig", "op-17", False, sys.argv[2], b"\\x01\\x02",
                  "boot-1", 1764000000000 + number)
    journal.record(entry)
    if number < 19:
        journal.finish(entry.id, b'{"id":"%s","st":"succeeded"}' % entry.id.encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def journal(tmp_path: Path) -> CommandJournal:
    return CommandJournal(tmp_path / "commands.db")


def test_what_is_noted_and_finished_is_found(journal: CommandJournal) -> None:
    """Whole, and by another reader of the file as well."""
    journal.record(ENTRY)
    assert journal.unfinished() == (ENTRY,)
    journal.finish(ENTRY.id, b"{}")
    journal.close()

    assert journal.find(ENTRY.id) == replace(ENTRY, answer=b"{}")
    assert journal.unfinished() == ()
    journal.close()


async def test_after_kill_9_what_was_accepted_is_answered_as_interrupted(tmp_path: Path) -> None:
    """Nineteen had ended and are known; the twentieth is told, once, and not done again."""
    path = tmp_path / "commands.db"
    crashing = await asyncio.create_subprocess_exec(sys.executable, "-c", CRASHING, path, ANSWERS)
    assert await crashing.wait() == -signal.SIGKILL

    async with running_dispatcher(tmp_path) as harness:
        said = await harness.final()
        assert (said.id, said.state, said.code) == ("command-0019", "failed", "interrupted")
        assert harness.bus.posted.empty()
        assert harness.fake_command.depths == []
    async with running_dispatcher(tmp_path) as harness:
        await harness.ask("dig")
        assert harness.bus.posted.empty()


async def test_a_reboot_is_answered_by_whoever_comes_up_after_it(tmp_path: Path) -> None:
    """Another boot: done. The same boot: only the program has ended, and nothing was done."""
    tree = envelope("dig.survives", {"depth": 9}, sig="good")
    for boot, state in (("boot-2", "succeeded"), ("boot-1", "failed")):
        folder = tmp_path / boot
        folder.mkdir()
        async with running_dispatcher(folder) as harness:
            harness.deliver(message("dig.survives", tree=tree))
            await harness.fake_command.started.wait()
        async with running_dispatcher(folder, boot=boot) as harness:
            said = await harness.final()
            again = await harness.ask("dig.survives", tree=tree)

            assert (said.id, said.state) == (tree["id"], state)
            assert again == said
            assert harness.fake_command.depths == []


def test_ids_are_forgotten_after_seven_days(journal: CommandJournal) -> None:
    """Those that have ended; the file does not grow for ever."""
    journal.record(replace(ENTRY, id="old", signed=False, answer=b"{}"))
    for number in range(FORGET_EVERY):
        fresh = replace(ENTRY, id=f"fresh-{number}", taken_ms=NOW_MS + RETENTION_MS + 1)
        journal.record(fresh)

    assert journal.find("old") is None
    assert journal.find("fresh-0") is not None
    journal.close()


def test_a_signed_command_that_was_forgotten_is_not_done_again(journal: CommandJournal) -> None:
    """Nor any that is older; newer ones are."""
    old, older, newer = (str(ULID.from_timestamp(NOW_MS / 1000 + days)) for days in (0, -9, 9))
    journal.record(replace(ENTRY, id=old, answer=b"{}"))
    assert not journal.is_forgotten(old, latest_ms=LATEST_MS)
    for number in range(FORGET_EVERY):
        journal.record(
            replace(ENTRY, id=f"n{number}", taken_ms=NOW_MS + RETENTION_MS + 1, signed=False)
        )

    assert journal.find(old) is None
    forgotten = [journal.is_forgotten(each, latest_ms=LATEST_MS) for each in (old, older, newer)]
    assert forgotten == [True, True, False]
    assert not journal.is_forgotten(older, latest_ms=NOW_MS - 1)  # a floor of the future is none
    journal.close()


def test_an_id_of_2099_does_not_bar_all_others(journal: CommandJournal) -> None:
    """One that an older version had accepted, and one that it had made the floor."""
    future = str(ULID.from_timestamp(4_070_908_800))
    honest = str(ULID.from_timestamp(NOW_MS / 1000))
    journal.record(replace(ENTRY, id=future, answer=b"{}"))
    journal.record(replace(ENTRY, id=honest, answer=b"{}"))
    for number in range(FORGET_EVERY):
        journal.record(
            replace(ENTRY, id=f"n{number}", taken_ms=NOW_MS + RETENTION_MS + 1, signed=False)
        )

    newer = str(ULID.from_timestamp(NOW_MS / 1000 + 60))
    assert journal.is_forgotten(honest, latest_ms=LATEST_MS)
    assert not journal.is_forgotten(newer, latest_ms=LATEST_MS)
    journal.close()


async def test_a_signed_command_of_long_ago_is_refused(tmp_path: Path) -> None:
    """Somebody who kept it cannot have it done a second time."""
    journal = CommandJournal(tmp_path / "commands.db")
    journal.record(replace(ENTRY, id=str(ULID()), answer=b"{}", taken_ms=1))
    journal.close()
    base = sqlite3.connect(tmp_path / "commands.db")
    base.execute("INSERT INTO floor SELECT 1, max(id) FROM command WHERE signed")
    base.commit()
    base.close()
    async with running_dispatcher(tmp_path) as harness:
        old = str(ULID.from_timestamp(1_700_000_000))
        said = await harness.ask("dig.signed", id=old, sig="good")

        assert (said.state, said.code) == ("rejected", "expired")
        assert harness.fake_command.depths == []


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" * 64])
def test_a_broken_file_is_set_aside(content: bytes, tmp_path: Path) -> None:
    """The gateway takes commands all the same, and the file can be looked at."""
    path = tmp_path / "commands.db"
    path.write_bytes(content)
    journal = CommandJournal(path)
    journal.record(ENTRY)

    assert journal.find(ENTRY.id) == ENTRY
    assert (tmp_path / "commands.db.corrupt").read_bytes() == content
    journal.close()


async def test_without_a_disk_nothing_is_done(tmp_path: Path) -> None:
    """A command that cannot be noted could be done twice: it is answered with the reason."""
    folder = tmp_path / "gone"
    async with running_dispatcher(folder) as harness:
        said = await harness.ask("dig")

        assert (said.state, said.code) == ("failed", "DISK_READONLY")
        assert harness.fake_command.depths == []


def test_a_journal_that_refuses_says_so_until_it_takes_again(tmp_path: Path) -> None:
    """Without a command: one try tells, and leaves nothing behind."""
    folder = tmp_path / "later"
    journal = CommandJournal(folder / "commands.db")
    journal.check()
    before = journal.trouble
    folder.mkdir()
    journal.check()

    assert before is not None
    assert (before.reason, journal.trouble) == ("DISK_READONLY", None)
    assert not journal.is_forgotten("", latest_ms=0)
    journal.close()


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """By its own code, and what was kept stays readable."""
    journal = CommandJournal(tmp_path / "commands.db")
    journal.record(ENTRY)
    journal._file.connection().execute("PRAGMA max_page_count = 1")
    with pytest.raises(TransientError) as trouble:
        journal.record(replace(ENTRY, id="fresh", topic="t" * 100_000))

    assert trouble.value.reason == "DISK_FULL"
    assert journal.find(ENTRY.id) == ENTRY
    journal.close()


@pytest.mark.parametrize("column", ["taken_ms INTEGER", "name TEXT"])
def test_a_file_of_other_tables_is_set_aside(tmp_path: Path, column: str) -> None:
    """One whose table lacks a column answered every command with a disk that is read-only."""
    path = tmp_path / "commands.db"
    with closing(sqlite3.connect(path)) as base:
        base.execute(f"CREATE TABLE command (id TEXT PRIMARY KEY, {column}) WITHOUT ROWID")
    journal = CommandJournal(path)

    journal.record(ENTRY)

    assert journal.find(ENTRY.id) == ENTRY
    assert path.with_name("commands.db.corrupt").exists()
    journal.close()


def test_commands_that_a_newer_program_has_noted_come_back(tmp_path: Path) -> None:
    """From the file that the older one has set aside, once it is not too new any more."""
    path = tmp_path / "commands.db"
    with closing(CommandJournal(path)) as newer:
        newer.record(ENTRY)
    path.rename(path.with_name("commands.db.version-0"))

    with closing(CommandJournal(path)) as journal:
        assert journal.find(ENTRY.id) == ENTRY


def test_others_cannot_read_the_file(tmp_path: Path, journal: CommandJournal) -> None:
    """It says who asked for what."""
    before = os.umask(0o022)
    try:
        journal.record(ENTRY)
    finally:
        os.umask(before)

    assert all(not path.stat().st_mode & 0o077 for path in tmp_path.glob("commands.db*"))
    journal.close()


def test_a_file_that_breaks_in_use_is_set_aside(tmp_path: Path) -> None:
    """A page that the card has lost is found when it is read; what was signed before is spent."""
    path = tmp_path / "commands.db"
    journal = CommandJournal(path)
    for number in range(200):
        journal.record(replace(ENTRY, id=f"n{number:03}", topic="t" * 900))
    journal.close()
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    journal = CommandJournal(path)
    before = str(ULID())
    for number in range(200):
        journal.find(f"n{number:03}")
    entry = replace(ENTRY, taken_ms=round(time.time() * 1000))
    journal.record(entry)

    assert journal.find(ENTRY.id) == entry
    assert path.with_name("commands.db.corrupt").exists()
    assert journal.is_forgotten(before, latest_ms=LATEST_MS)
    after = str(ULID.from_timestamp(time.time() + 1))
    assert not journal.is_forgotten(after, latest_ms=LATEST_MS)
    journal.close()


def test_what_came_of_old_commands_is_kept_in_a_word(
    journal: CommandJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of long answers would fill a card."""
    monkeypatch.setattr("gateway.commands.journal.FULL_ANSWERS", FORGET_EVERY - 1)
    answer = b'{"id":"x","st":"succeeded","res":{"steps":"%s"}}' % (b"a" * 4000)
    for number in range(FORGET_EVERY + 1):
        made = replace(ENTRY, id=f"n{number:03}", taken_ms=NOW_MS + number)
        journal.record(made)
        journal.finish(made.id, answer)

    old, new = journal.find("n000"), journal.find(f"n{FORGET_EVERY:03}")
    assert old is not None
    assert new is not None
    assert json.loads(old.answer or b"") == {"id": "x", "st": "succeeded", "res": {"kept": False}}
    assert new.answer == answer
    journal.close()
