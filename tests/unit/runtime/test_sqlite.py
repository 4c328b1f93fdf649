"""A SQLite file is opened in one way, and set aside when it is corrupt."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.runtime.sqlite import NewerSchemaError, is_corrupt, open_database, quarantine

TABLES = "CREATE TABLE IF NOT EXISTS item (n INTEGER PRIMARY KEY);"


def opened_error(path: Path, **options: int) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        open_database(path, TABLES, **options).close()
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


def test_a_file_in_quarantine_keeps_its_content_and_frees_its_name(tmp_path: Path) -> None:
    """Its log and index go: they belong to the name, and would spoil the new file."""
    path = tmp_path / "items.db"
    path.write_bytes(b"garbage")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).write_bytes(b"of the old one")

    quarantine(path)

    assert (tmp_path / "items.db.corrupt").read_bytes() == b"garbage"
    assert [each.name for each in tmp_path.iterdir()] == ["items.db.corrupt"]
