"""A box is saved and restored elsewhere; what must not come back old does not."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway.backup import box, contents, encryption
from gateway.backup.box import make_backup, restore_backup
from gateway.backup.contents import YEAR_MS, Backup, next_epoch, parse
from gateway.backup.encryption import PREFIX, decrypt, encrypt
from gateway.cli.main import main
from gateway.model.errors import ConfigRejected

PHRASE = "đường đến trung tâm"
MADE_MS = 1_790_000_000_000

SECRET_FILES = {
    "secrets/broker": b"canary-broker",
    "secrets/camera/dvr1@192.168.1.10": b"canary-camera",
    "tls/gateway.key": b"canary-key",
}
FILES = SECRET_FILES | {
    "tls/gateway.pem": b"certificate",
    "tls/ca.pem": b"authority",
    "trusted/cfg-2026a.pem": b"public key",
}
STATE = {"site.json": b"{}", "epoch": b"1700000000000\n", "minimum-version": b"0.1.5\n"}
LEFT = {
    "commands.db": b"journal",
    "outbox.db": b"events",
    "audit.db": b"x",
    "candidate.json": b"{}",
}


def settings_text(state: Path) -> str:
    return (
        '[gateway]\nid = "hcm-q1-01"\nprovince = "79"\n'
        '[broker]\nhost = "127.0.0.1"\nusername = "79/hcm-q1-01"\npassword = "secret:broker"\n'
        '[broker.tls]\nca = "tls/ca.pem"\ncert = "tls/gateway.pem"\nkey = "tls/gateway.key"\n'
        f'[cameras]\nnetworks = ["192.168.1.0/24"]\n[state]\ndir = "{state}"\n'
    )


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that costs what a test may take; what it costs else stands in one place."""
    monkeypatch.setattr(encryption, "COST", 1 << 10)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The settings of a box with all that one has."""
    etc, state = tmp_path / "etc", tmp_path / "state"
    for folder, files in ((etc, FILES), (state, STATE | LEFT)):
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o600 if name in SECRET_FILES else 0o644)
    (etc / "gateway.toml").write_text(settings_text(state))
    return etc / "gateway.toml"


def die(old: Path) -> None:
    """Let the old box be no more, with all its disk."""
    for folder in (old.parent, old.parent.parent / "state"):
        folder.rename(folder.with_name(f"dead-{folder.name}"))


def below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_next_box_has_what_the_last_one_had(tmp_path: Path, old: Path) -> None:
    """Each file with its mode; but of the state only what may come back."""
    file, state = tmp_path / "box.backup", tmp_path / "state"
    assert make_backup(old, file, PHRASE) == []
    before = below(old.parent)
    die(old)
    restored = restore_backup(file, old, PHRASE, wall_ms=lambda: 2 * MADE_MS)

    assert below(old.parent) == before
    assert set(below(state)) == set(STATE)
    assert restored.missing == ()
    assert stat.S_IMODE((old.parent / "secrets/camera").stat().st_mode) == 0o700
    for name in SECRET_FILES:
        assert stat.S_IMODE((old.parent / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((old.parent / "tls/ca.pem").stat().st_mode) == 0o644


def test_the_service_can_read_what_a_careful_technician_restores(tmp_path: Path, old: Path) -> None:
    """Whose umask keeps all others out."""
    file = tmp_path / "box.backup"
    make_backup(old, file, PHRASE)
    die(old)
    umask = os.umask(0o077)
    try:
        restore_backup(file, old, PHRASE)
    finally:
        os.umask(umask)

    assert stat.S_IMODE((old.parent / "trusted").stat().st_mode) == 0o755
    assert stat.S_IMODE((old.parent / "secrets").stat().st_mode) == 0o700


def opened(file: Path) -> Backup:
    return parse(decrypt(file.read_bytes(), PHRASE))


def test_a_backup_shows_nothing(tmp_path: Path, old: Path) -> None:
    """Not to whoever has the file; and only its owner may read it."""
    file = tmp_path / "box.backup"
    make_backup(old, file, PHRASE)

    assert b"canary" not in file.read_bytes()
    assert b"hcm-q1-01" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_identity_the_next_box_is_enrolled_anew(tmp_path: Path, old: Path) -> None:
    """Certificate, key and password for the broker stay behind; what is missing is told."""
    file = tmp_path / "box.backup"
    left_out = make_backup(old, file, PHRASE, identity=False)
    die(old)
    restored = restore_backup(file, old, PHRASE)
    names = {"tls/gateway.pem", "tls/gateway.key", "secrets/broker"}

    assert len(left_out) == 3
    assert {path.relative_to(old.parent).as_posix() for path in restored.missing} == names
    assert not names & set(below(old.parent))
    assert (old.parent / "secrets/camera/dvr1@192.168.1.10").read_bytes() == b"canary-camera"


def test_without_identity_no_former_one_is_in_it_either(tmp_path: Path, old: Path) -> None:
    """What enrolling again has put aside, and what has been renewed since."""
    copies = [old.parent / f"{name}.previous" for name in ("tls/gateway.key", "secrets/broker")]
    copies.append(tmp_path / "state/tls/gateway.pem")
    for path in copies:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"canary-former")
    file = tmp_path / "box.backup"
    make_backup(old, file, PHRASE, identity=False)

    assert not any("canary-former" in str(each.content()) for each in opened(file).files)


def test_the_renewed_certificate_is_in_it(tmp_path: Path, old: Path) -> None:
    """The first one ends: without the other the next box would be nobody."""
    renewed, file = tmp_path / "state/tls/gateway.pem", tmp_path / "box.backup"
    renewed.parent.mkdir()
    renewed.write_bytes(b"renewed")
    make_backup(old, file, PHRASE)
    die(old)
    restore_backup(file, old, PHRASE)

    assert renewed.read_bytes() == b"renewed"


def test_what_is_there_is_replaced_only_by_force(tmp_path: Path, old: Path) -> None:
    """And nothing has been written before that is known."""
    file = tmp_path / "box.backup"
    make_backup(old, file, PHRASE)
    (old.parent / "tls/gateway.key").write_bytes(b"of another box")
    (old.parent / "trusted/cfg-2026a.pem").unlink()
    with pytest.raises(ConfigRejected, match="--force"):
        restore_backup(file, old, PHRASE)
    untouched = not (old.parent / "trusted/cfg-2026a.pem").exists()
    restore_backup(file, old, PHRASE, force=True)

    assert untouched
    assert (old.parent / "tls/gateway.key").read_bytes() == b"canary-key"
    assert (old.parent / "trusted/cfg-2026a.pem").exists()


def test_a_new_box_has_the_package_s_settings_and_the_centre_s_keys(
    tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is anybody's: they need no force."""
    file, example = tmp_path / "box.backup", tmp_path / "gateway.example.toml"
    make_backup(old, file, PHRASE)
    wanted = old.read_bytes()
    example.write_bytes(b"# as it comes\n")
    old.write_bytes(b"# as it comes\n")
    monkeypatch.setattr(box, "EXAMPLE", example)

    restore_backup(file, old, PHRASE)

    assert old.read_bytes() == wanted


def test_what_must_grow_grows(tmp_path: Path, old: Path) -> None:
    """The epoch above all that was used since; the lowest version that may run is not lowered."""
    file, state = tmp_path / "box.backup", tmp_path / "state"
    make_backup(old, file, PHRASE)
    (state / "minimum-version").write_bytes(b"0.2.0\n")
    (state / "epoch").write_bytes(b"%d\n" % (3 * MADE_MS))
    restore_backup(file, old, PHRASE, force=True)

    assert (state / "minimum-version").read_bytes() == b"0.2.0\n"
    assert int((state / "epoch").read_bytes()) == 3 * MADE_MS


@pytest.mark.parametrize(
    ("stored", "wall_ms", "epoch"),
    [
        (MADE_MS - 5, MADE_MS + 99, MADE_MS + 99),
        (MADE_MS + 500, MADE_MS + 99, MADE_MS + 501),
        (MADE_MS - 5, 1000, MADE_MS - 5 + YEAR_MS),
        (2**53 - 2, 1000, 2**53 - 1),
    ],
)
def test_the_next_epoch(stored: int, wall_ms: int, epoch: int) -> None:
    """By the clock, unless that is behind the backup: then it is wrong, and a year is added."""
    assert next_epoch(stored, MADE_MS, wall_ms) == epoch


@pytest.mark.parametrize("wrong", ["another passphrase", "", PHRASE.upper()])
def test_another_passphrase_opens_nothing(wrong: str) -> None:
    """It is not told what was wrong."""
    with pytest.raises(ConfigRejected, match="does not fit, or the file is damaged"):
        decrypt(encrypt(b"content", PHRASE), wrong)


@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_changed_byte_is_found(at: int, bit: int) -> None:
    """Wherever it is."""
    raw = bytearray(encrypt(b"content", PHRASE))
    raw[at % len(raw)] ^= 1 << bit

    with pytest.raises(ConfigRejected):
        decrypt(bytes(raw), PHRASE)


@pytest.mark.parametrize("raw", [b"", b"text", PREFIX, PREFIX + b"x" * 43, b"\0" * 4096])
def test_what_is_no_backup_is_told_so(raw: bytes) -> None:
    """Before a key is made."""
    with pytest.raises(ConfigRejected, match="no backup"):
        decrypt(raw, PHRASE)


def test_a_passphrase_is_its_text(old: Path, tmp_path: Path) -> None:
    """Typed on another system it is of other code points; a file of Windows begins with a mark."""
    file, phrase = tmp_path / "box.backup", tmp_path / "phrase"
    make_backup(old, file, unicodedata.normalize("NFD", PHRASE))
    phrase.write_text(f"\ufeff{PHRASE}\r\n", encoding="utf-8")
    words = ["--settings", str(old), "--force", "--passphrase-file", str(phrase)]

    right = CliRunner().invoke(main, ["restore", str(file), *words])
    phrase.write_bytes(PHRASE.encode("utf-16"))
    wrong = CliRunner().invoke(main, ["restore", str(file), *words])

    assert (right.exit_code, wrong.exit_code) == (0, 2)
    assert "UTF-8" in wrong.output


def test_a_short_passphrase_is_refused(tmp_path: Path, old: Path) -> None:
    """Nothing is written."""
    with pytest.raises(ConfigRejected, match="at least 10"):
        make_backup(old, tmp_path / "box.backup", "short")

    assert not (tmp_path / "box.backup").exists()


def tree(*files: dict[str, Any], **more: object) -> dict[str, Any]:
    """A backup of whoever knows the passphrase."""
    said = {"v": 1, "gateway": "79/x", "version": "0.1.0", "made_ms": 1, "identity": True}
    return said | {"state": "/var/lib/camera-gateway", "files": list(files)} | more


def file(path: str = "gateway.toml", **more: object) -> dict[str, Any]:
    names = {"place": "settings", "path": path, "mode": 0o644, "owner": "root", "group": "root"}
    return names | {"data": ""} | more


HOSTILE = {
    "no settings": tree(),
    "way up": tree(file(), file("../../root/.ssh/authorized_keys")),
    "way up within": tree(file(), file("tls/../../x")),
    "absolute": tree(file(), file("/etc/shadow")),
    "hidden": tree(file(), file(".ssh/id")),
    "empty step": tree(file(), file("tls//x")),
    "line feed": tree(file(), file("tls/x\n")),
    "twice": tree(file(), file()),
    "file and folder": tree(file(), file("tls"), file("tls/x")),
    "another state": tree(file(), file("commands.db", place="state")),
    "state below": tree(file(), file("x/site.json", place="state")),
    "set-uid": tree(file(mode=0o4755)),
    "owner": tree(file(owner="root:x")),
    "another key": tree(file(link="/etc/shadow")),
    "too many": tree(file(), *(file(f"tls/{number}") for number in range(1000))),
    "no number": tree(file(), made_ms="now"),
    "another form": tree(file(), v=2),
    "no base64": tree(file(data="?")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_backup_writes_only_what_belongs_to_a_box(tmp_path: Path, name: str) -> None:
    """Also that of one who knows the passphrase: nothing is written at all."""
    source = tmp_path / "box.backup"
    source.write_bytes(encrypt(json.dumps(HOSTILE[name]).encode(), PHRASE))
    with pytest.raises(ConfigRejected):
        restore_backup(source, tmp_path / "etc" / "gateway.toml", PHRASE)

    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize("raw", [b"", b"[", b"[]", b'{"v":1,"v":1}', b"[" * 100_000, b"\xff"])
def test_content_that_is_no_json_of_ours_is_refused(raw: bytes) -> None:
    """With an error of ours."""
    with pytest.raises(ConfigRejected):
        parse(raw)


def test_sizes_are_bounded(tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file, of all, and of the backup."""
    target = tmp_path / "box.backup"
    for bound, size in (("FILE_BYTES", 5), ("CONTENT_BYTES", 20), ("FILES", 3)):
        with monkeypatch.context() as patched:
            patched.setattr(contents, bound, size)
            with pytest.raises(ConfigRejected, match="more than"):
                make_backup(old, target, PHRASE)
    make_backup(old, target, PHRASE)
    monkeypatch.setattr(box, "BACKUP_BYTES", 100)
    with pytest.raises(ConfigRejected, match="more than 100 bytes"):
        restore_backup(target, old, PHRASE, force=True)


def test_links_and_pipes_are_not_followed(tmp_path: Path, old: Path) -> None:
    """What is left out is told."""
    (old.parent / "tls/link").symlink_to("/etc/hostname")
    os.mkfifo(old.parent / "tls/pipe")
    left_out = make_backup(old, tmp_path / "box.backup", PHRASE)

    assert [each.split(":")[0].rsplit("/", 1)[1] for each in left_out] == ["link", "pipe"]


def test_the_commands_ask_for_no_passphrase_on_the_command_line(tmp_path: Path, old: Path) -> None:
    """It comes from a file or is typed; both ways by the commands."""
    phrase, saved = tmp_path / "phrase", tmp_path / "box.backup"
    phrase.write_text(f"{PHRASE}\n")
    words = ["--settings", str(old), "--passphrase-file", str(phrase)]
    made = CliRunner().invoke(main, ["backup", str(saved), *words])
    die(old)
    typed = ["restore", str(saved), "--settings", str(old)]
    wrong = CliRunner().invoke(main, typed, input="not that one\n")
    right = CliRunner().invoke(main, typed, input=f"{PHRASE}\n")

    assert (made.exit_code, wrong.exit_code, right.exit_code) == (0, 2, 0), right.output
    assert "79/hcm-q1-01" in right.output
    assert "canary" not in made.output + wrong.output + right.output
