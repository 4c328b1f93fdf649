"""The archive for support: what it needs, and no secret in any byte of it."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.cli.support_bundle import MOST_BYTES, read_log, write_bundle
from gateway.config.load import load_settings
from gateway.runtime.redact import Redactor
from tests.unit.cli.test_main import CAMERA, SETTINGS

BROKER, CAMERAS = "canary-Br0ker/+ok", "canary-C4mera %&x"
TYPED = "canary-typed-here"


def test_no_secret_is_in_any_byte_of_it(tmp_path: Path) -> None:
    """Known ones in each spelling, and one that somebody has typed where none belongs."""
    state = tmp_path / "state"
    (tmp_path / "secrets" / "camera").mkdir(parents=True)
    state.mkdir()
    (tmp_path / "secrets" / "broker").write_text(BROKER + "\n")
    (tmp_path / "secrets" / "camera" / "nvr1").write_text(CAMERAS)
    settings_file = tmp_path / "gateway.toml"
    settings_file.write_text(f'{SETTINGS}[state]\ndir = "{state}"\n')
    settings = load_settings(settings_file)
    settings_file.write_text(settings_file.read_text() + f'# old_password = "{TYPED}"\n')
    typed = CAMERA | {"streams": [{"url": f"rtsp://admin:{TYPED} x@192.168.1.9/1"}]}
    (state / "site.json").write_text(json.dumps({"cameras": [typed]}, indent=1))
    basic = base64.b64encode(f"admin:{CAMERAS}".encode()).decode()
    spoken = [BROKER, quote(BROKER, safe=""), base64.b64encode(BROKER.encode()).decode(), basic]
    target = tmp_path / "support.tar.gz"

    write_bundle(target, settings_file, settings, [*spoken, CAMERAS, quote(CAMERAS)], Redactor())

    held: dict[str, bytes] = {}
    with tarfile.open(target) as archive:
        for entry in archive.getmembers():
            file = archive.extractfile(entry)
            assert file is not None
            held[Path(entry.name).name] = file.read()
    whole = b"\n".join(held.values())
    for secret in (*spoken, CAMERAS, quote(CAMERAS), TYPED, "canary"):
        assert secret.encode() not in whole
    assert b'"id": "quay7"' in held["site.json"]
    assert b'id = "hcm-q1-01"' in held["gateway.toml"]
    assert b"secret:broker" in held["gateway.toml"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"


def entry(number: int, unit: str, message: str) -> str:
    """Return an entry of a journal, as systemd exports it."""
    fields = {
        "__REALTIME_TIMESTAMP": 1_795_921_055_000_000 + number,
        "__MONOTONIC_TIMESTAMP": number,
        "_BOOT_ID": "0123456789abcdef0123456789abcdef",
        "_SYSTEMD_UNIT": unit,
        "SYSLOG_IDENTIFIER": "camera-gateway",
        "MESSAGE": message,
    }
    return "".join(f"{key}={value}\n" for key, value in fields.items()) + "\n"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal as systemd writes it, with secrets where they should not be."""
    folder = tmp_path / "journal"
    folder.mkdir()
    entries = (
        entry(1, "camera-gateway.service", f"opens rtsp://admin:{TYPED}@192.168.1.9/1"),
        entry(2, "camera-gateway.service", f"the broker refuses {BROKER}"),
        entry(3, "camera-gateway-update.service", "update done"),
        entry(4, "ssh.service", "somebody else"),
    )
    command = [JOURNAL_REMOTE, "-o", str(folder / "box.journal"), "-"]
    subprocess.run(command, input="".join(entries).encode(), check=True, capture_output=True)
    return folder


def test_it_has_the_journal_without_its_secrets(tmp_path: Path, journal: Path) -> None:
    """Of the gateway and its updates; known secrets and logins in addresses are hidden."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "broker").write_text(BROKER)
    settings_file = tmp_path / "gateway.toml"
    settings_file.write_text(f'{SETTINGS}[state]\ndir = "{tmp_path}"\n')
    target = tmp_path / "s.tar.gz"

    settings = load_settings(settings_file)
    write_bundle(target, settings_file, settings, [], Redactor(), journal=journal)

    with tarfile.open(target) as archive:
        log = archive.extractfile("camera-gateway/log.txt")
        assert log is not None
        lines = log.read().decode().splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "opens rtsp://***@192.168.1.9/1",
        "the broker refuses ***",
        "update done",
    ]


def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Support sees that there was none, instead of an empty file."""
    assert read_log(tmp_path).startswith("nothing in the journal")


def test_its_size_is_bounded(tmp_path: Path) -> None:
    """Whatever stands in the folders."""
    settings_file = tmp_path / "gateway.toml"
    settings_file.write_text(f'{SETTINGS}[state]\ndir = "{tmp_path}"\n')
    settings = load_settings(settings_file)
    (tmp_path / "site.json").write_text("x" * (4 * MOST_BYTES))

    write_bundle(tmp_path / "s.tar.gz", settings_file, settings, ["y" * 4 * MOST_BYTES], Redactor())

    with tarfile.open(tmp_path / "s.tar.gz") as archive:
        assert max(entry.size for entry in archive.getmembers()) == MOST_BYTES
