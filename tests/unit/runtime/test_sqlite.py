"""A SQLite file is opened in one way, and set aside when it is corrupt."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.model.reasons import Reason
from gateway.runtime.sqlite import (
    NewerSchemaError,
    SqliteFile,
    is_corrupt,
    open_database,
    quarantine,
    sqlite_error,
)
from tests.fixtures.descriptors import none_free

TABLES = "CREATE TABLE IF NOT EXISTS item (n INTEGER PRIMARY KEY);"


def opened_error(path: Path, version: int = 0) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        open_database(path, TABLES, version=version).close()
    return caught.value


def test_what_is_committed_is_there_for_the_next_connection(tmp_path: Path) -> None:
    """In write-ahead log mode, synced at each commit, readable by the owner only."""
    path = tmp_path / "items.db"
    with (
        closing(open_database(path, TABLES)) as first,
        closing(open_database(path, TABLES)) as other,
    ):
        with first:
            first.execute("INSERT INTO item VALUES (7)")

        assert other.execute("SELECT n FROM item").fetchall() == [(7,)]
        assert first.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert first.execute("PRAGMA synchronous").fetchone() == (2,)
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xa5" * 8000])
def test_a_corrupt_file_is_told_from_a_disk_in_trouble(tmp_path: Path, content: bytes) -> None:
    """The one is set aside, the other may come back."""
    path = tmp_path / "items.db"
    path.write_bytes(content)

    assert is_corrupt(opened_error(path))
    assert not is_corrupt(opened_error(tmp_path / "nowhere" / "items.db"))


def test_a_file_of_a_newer_program_is_not_read(tmp_path: Path) -> None:
    """Its tables may mean something else; nothing in it is changed."""
    path = tmp_path / "items.db"
    open_database(path, TABLES, version=2).close()

    error = opened_error(path, version=1)

    assert isinstance(error, NewerSchemaError)
    assert is_corrupt(error)
    open_database(path, TABLES, version=2).close()


def test_a_file_that_lacks_a_column_is_not_read(tmp_path: Path) -> None:
    """Each query of it would fail, at its first use."""
    path = tmp_path / "items.db"
    open_database(path, TABLES, columns="SELECT n FROM item").close()

    with pytest.raises(NewerSchemaError, match="no such column: size"):
        open_database(path, TABLES, columns="SELECT n, size FROM item")


def test_a_full_disk_has_its_reason(tmp_path: Path) -> None:
    """As SQLite tells it."""
    with closing(open_database(tmp_path / "items.db", TABLES)) as base:
        base.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.Error) as caught, base:
            base.executemany("INSERT INTO item VALUES (?)", ((n,) for n in range(10_000)))

    assert sqlite_error(tmp_path, caught.value).reason is Reason.DISK_FULL


def test_a_read_only_disk_has_its_reason(tmp_path: Path) -> None:
    """A file that opens and takes no write."""
    path = tmp_path / "items.db"
    open_database(path, TABLES).close()
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base,
        pytest.raises(sqlite3.Error) as caught,
    ):
        base.execute("INSERT INTO item VALUES (1)")

    assert sqlite_error(path, caught.value).reason is Reason.DISK_READONLY


ON_A_FULL_DISK = """
import sqlite3, sys
from pathlib import Path
from gateway.health.host import Host
from gateway.runtime.sqlite import open_database, sqlite_error
folder, case = Path(sys.argv[1]), sys.argv[2]
tables = "CREATE TABLE IF NOT EXISTS item (n BLOB);"
opened = open_database(folder / "a.db", tables)
if case == "again":
    opened.close()
try:
    for number in range(9):
        (folder / str(number)).touch()
    with open(folder / "fill", "wb", buffering=0) as fill:
        while fill.write(bytes(4096)):
            pass
except OSError:
    pass
try:
    if case == "new":
        open_database(folder / "b.db", tables)
    if case == "again":
        opened = open_database(folder / "a.db", tables)
    with opened:
        opened.execute("INSERT INTO item VALUES (zeroblob(100000))")
except sqlite3.Error as error:
    print(sqlite_error(folder / "a.db", error).reason.value, Host(folder).sample(1.0).disk_error)
"""


@pytest.mark.parametrize(
    ("case", "size"),
    [
        ("open", "size=1m"),
        ("new", "size=1m"),
        ("again", "size=1m"),
        ("new", "size=9m,nr_inodes=5"),
        ("again", "size=9m,nr_inodes=5"),
    ],
)
def test_a_disk_that_is_full_has_its_reason_whatever_is_tried(
    case: str, size: str, tmp_path: Path
) -> None:
    """A file that was open, one that is opened anew, one that is not there; blocks or files."""
    script = f'mount -t tmpfs -o {size} tmpfs "$0" && exec "$@"'
    child = [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path), case]
    told = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, tmp_path, *child],
        capture_output=True,
        check=True,
        text=True,
    )

    assert told.stdout.split() == ["DISK_FULL", "ENOSPC"], told.stderr


def test_a_read_only_disk_is_tried_at_once(tmp_path: Path) -> None:
    """The trial write says so too, not only ten minutes later."""
    script = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"'
    asked = "import sys; from pathlib import Path; from gateway.health.host import Host;"
    asked += "host = Host(Path(sys.argv[1])); host._trial._next_s = 1e9;"
    asked += "found = host.sample(1.0); print(found.disk_read_only, found.disk_error)"
    told = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, tmp_path, sys.executable, "-c", asked, tmp_path],
        capture_output=True,
        check=True,
        text=True,
    )

    assert told.stdout.split() == ["True", "EROFS"], told.stderr


def test_a_damaged_file_has_its_reason(tmp_path: Path) -> None:
    """It is not the disk that must make room."""
    path = tmp_path / "items.db"
    path.write_bytes(b"garbage" * 1000)

    assert sqlite_error(path, opened_error(path)).reason is Reason.DISK_CORRUPT


def test_a_file_that_cannot_be_opened_for_want_of_a_descriptor_says_so(tmp_path: Path) -> None:
    """SQLite says only that it cannot be opened; the disk is fine."""
    path = tmp_path / "items.db"
    with none_free():
        error = sqlite_error(path, opened_error(path))

    assert error.reason is Reason.DESCRIPTORS_LOW


def test_a_file_in_quarantine_keeps_its_content_and_frees_its_name(tmp_path: Path) -> None:
    """Its log and index go: they belong to the name, and would spoil the new file."""
    path = tmp_path / "items.db"
    path.write_bytes(b"garbage")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).write_bytes(b"of the old one")

    quarantine(path, sqlite3.DatabaseError("malformed"))

    assert (tmp_path / "items.db.corrupt").read_bytes() == b"garbage"
    assert [each.name for each in tmp_path.iterdir()] == ["items.db.corrupt"]


NEWER_TABLES = """
CREATE TABLE IF NOT EXISTS item (n INTEGER PRIMARY KEY AUTOINCREMENT, size TEXT DEFAULT '');
CREATE TABLE IF NOT EXISTS more (n INTEGER PRIMARY KEY);
"""


def newer_file(path: Path, *numbers: int) -> SqliteFile:
    """Return the file at *path* as a program of the next version has it, with rows *numbers*."""
    made = SqliteFile(path, NEWER_TABLES, version=2, takes_back=True)
    for number in numbers:
        made.transact(lambda base, n=number: added(base, n), on_replaced=lambda *_: None)  # type: ignore[misc]
    return made


def added(base: sqlite3.Connection, number: int) -> None:
    with base:
        base.execute("INSERT INTO item (n) VALUES (?)", (number,))


def numbers_in(file: SqliteFile) -> list[int]:
    return [n for (n,) in file.connection().execute("SELECT n FROM item ORDER BY n")]


def test_a_newer_file_is_kept_whole_under_its_version(tmp_path: Path) -> None:
    """It is not corrupt: what was committed is in it, also from a log that was left behind."""
    path = tmp_path / "items.db"
    with closing(newer_file(path, 1, 2)):
        left = {ending: path.with_name(path.name + ending).read_bytes() for ending in ("", "-wal")}
    for ending, content in left.items():  # as after a power cut
        path.with_name(path.name + ending).write_bytes(content)
    older = SqliteFile(path, TABLES, version=1)

    with capture_logs() as logs, closing(older):
        older.transact(lambda base: added(base, 7), on_replaced=lambda *_: None)
        assert numbers_in(older) == [7]

    assert [each["event"] for each in logs] == ["newer_data_set_aside"]
    with closing(newer_file(tmp_path / "items.db.version-2")) as aside:
        assert numbers_in(aside) == [1, 2]
    assert not list(tmp_path.glob("*.corrupt"))


def test_the_newer_program_takes_back_what_was_its_own(tmp_path: Path) -> None:
    """Beside what was written meanwhile, which stays where both have a row."""
    path = tmp_path / "items.db"
    newer_file(path, 1, 2).close()
    with closing(SqliteFile(path, TABLES, version=1, takes_back=True)) as older:
        for number in (2, 7):
            older.transact(lambda base, n=number: added(base, n), on_replaced=lambda *_: None)  # type: ignore[misc]

    with closing(newer_file(path)) as newer:
        assert numbers_in(newer) == [1, 2, 7]

    assert not list(tmp_path.glob("*.version-*"))


def test_what_is_still_too_new_stays_aside(tmp_path: Path) -> None:
    """And what is no database, whatever its name says, hinders nobody."""
    path = tmp_path / "items.db"
    newer_file(path, 1).close()
    path.rename(tmp_path / "items.db.version-3")
    (tmp_path / "items.db.version-1").write_bytes(b"garbage" * 1000)

    with closing(newer_file(path, 4)) as file:
        assert numbers_in(file) == [4]

    assert {each.name for each in tmp_path.glob("*.version-*")} == {
        "items.db.version-1",
        "items.db.version-3",
    }
