"""``camera-gateway audit``: what it finds in a file, and what it says of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.audit.chain import AuditEntry, Head, append
from gateway.audit.store import AuditStore
from gateway.cli.main import main
from gateway.model.event import Event


def say(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def written(path: Path, count: int = 6) -> list[AuditEntry]:
    """Write an audit of *count* entries and return them."""
    store, entries, head = AuditStore(path), [], Head()
    for number in range(count):
        facts = {"act": "begin", "sid": f"session-{number}", "actor": "Nguyễn Thị An"}
        entries.append(append(head, Event("session", facts, "audit"), number))
        head = entries[-1].head
    assert store.append(entries, count) is None
    store.close()
    return entries


def published(path: Path, entries: list[AuditEntry]) -> Path:
    """Write *entries* as the centre receives them, among other events."""
    lines = [json.dumps({"id": "01", "n": 1, "ep": 1, "t": 1, "type": "link", "mono": 0.1})]
    for entry in entries:
        sent = {"id": "02", "n": entry.head.seq, "ep": 1, "t": 5, "mono": 1.5, **entry.tree}
        lines.append(json.dumps(sent, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n")
    return path


def change(path: Path, statement: str) -> None:
    """Do what somebody with the rights of the gateway can do."""
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(statement)


def test_a_whole_audit_is_said_to_be_whole(tmp_path: Path) -> None:
    """With its head, to be compared with what the centre has."""
    entries = written(tmp_path / "audit.db")

    result = say("verify", tmp_path / "audit.db")

    assert result.exit_code == 0
    assert str(entries[-1].head) in result.output


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DELETE FROM entry WHERE seq = 3", "missing"),
        ("DELETE FROM entry WHERE seq = 1", "missing"),
        (
            "UPDATE entry SET tree = CAST(replace(tree, 'An', 'Bo') AS BLOB) WHERE seq = 3",
            "changed",
        ),
        ("UPDATE entry SET tree = x'00' WHERE seq = 3", "form"),
        ("UPDATE entry SET tree = NULL WHERE seq = 3", ""),
        ("UPDATE entry SET seq = seq + 10 WHERE seq = 3", "form"),
        ("UPDATE entry SET hash = prev FROM (SELECT 'x' AS prev) WHERE seq = 3", "form"),
    ],
)
def test_what_somebody_did_to_it_is_said(tmp_path: Path, statement: str, code: str) -> None:
    """Where and what; exit code 1."""
    written(tmp_path / "audit.db")
    if not code:  # the table itself refuses
        with pytest.raises(sqlite3.IntegrityError):
            change(tmp_path / "audit.db", statement)
        return
    change(tmp_path / "audit.db", statement)

    result = say("verify", tmp_path / "audit.db")

    assert result.exit_code == 1
    assert f"[{code}]" in result.output


def test_a_cut_end_is_told_by_the_head(tmp_path: Path) -> None:
    """That the centre has noted."""
    entries = written(tmp_path / "audit.db")
    change(tmp_path / "audit.db", "DELETE FROM entry WHERE seq > 4")

    assert say("verify", tmp_path / "audit.db").exit_code == 0
    result = say("verify", tmp_path / "audit.db", "--head", entries[-1].head)
    assert result.exit_code == 1
    assert "[truncated]" in result.output


def test_the_audit_is_compared_with_what_was_published(tmp_path: Path) -> None:
    """Which may be less, but not another."""
    entries = written(tmp_path / "audit.db")
    export = published(tmp_path / "events.jsonl", entries[2:5])

    assert say("verify", tmp_path / "audit.db", "--published", export).exit_code == 0
    (tmp_path / "audit.db").unlink()
    other = written(tmp_path / "audit.db", 4)
    assert other[0] == entries[0]
    result = say("verify", tmp_path / "audit.db", "--published", export)
    assert result.exit_code == 1
    assert "5: it was published, and the chain ends at 4 [truncated]" in result.output


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda lines: lines, None),
        (lambda lines: [*lines[:3], *lines[4:]], "missing"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "order"),
        (lambda lines: [*lines[:3], lines[3].replace("An", "Bo"), *lines[4:]], "changed"),
        (lambda lines: [*lines[:3], lines[3][:-5], *lines[4:]], "form"),
        (lambda lines: [*lines, lines[-1]], None),
    ],
)
def test_an_export_is_verified_by_itself(
    tmp_path: Path, damage: Callable[[list[str]], list[str]], code: str | None
) -> None:
    """At the centre, without the gateway."""
    path = published(tmp_path / "events.jsonl", written(tmp_path / "audit.db"))
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")

    result = say("verify", path)

    assert result.exit_code == (0 if code is None else 1)
    assert code is None or f"[{code}]" in result.output


def test_an_audit_can_be_exported(tmp_path: Path) -> None:
    """And what comes out is an export."""
    written(tmp_path / "audit.db")
    export = tmp_path / "export.jsonl"
    export.write_text(say("export", tmp_path / "audit.db").output)

    assert len(export.read_text().splitlines()) == 6
    assert say("verify", export).exit_code == 0


def test_the_settings_say_where_it_is(tmp_path: Path) -> None:
    """Without a file it is this gateway's own."""
    written(tmp_path / "audit.db")
    settings = tmp_path / "gateway.toml"
    settings.write_text(
        '[gateway]\nid = "hcm-q1-01"\nprovince = "79"\n[broker]\nhost = "127.0.0.1"\n'
        f'[state]\ndir = "{tmp_path}"\n[cameras]\nnetworks = ["10.0.0.0/8"]\n'
    )

    assert say("verify", "--settings", settings).exit_code == 0


@pytest.mark.parametrize("arguments", [["nowhere.db"], ["nowhere.db", "--head", "5"]])
def test_a_wrong_argument_is_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    """A file that is not there, or a head that is none."""
    assert say("verify", tmp_path / arguments[0], *arguments[1:]).exit_code == 2


def test_a_file_that_is_a_broken_database_is_exit_code_2(tmp_path: Path) -> None:
    """It begins like one."""
    (tmp_path / "audit.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)

    assert say("verify", tmp_path / "audit.db").exit_code == 2
