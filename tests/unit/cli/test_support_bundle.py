"""The archive for support: what it needs, and no secret in any byte of it."""

from __future__ import annotations

import base64
import json
import stat
import tarfile
from pathlib import Path
from urllib.parse import quote

from gateway.cli.support_bundle import MOST_BYTES, write_bundle
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


def test_its_size_is_bounded(tmp_path: Path) -> None:
    """Whatever stands in the folders."""
    settings_file = tmp_path / "gateway.toml"
    settings_file.write_text(f'{SETTINGS}[state]\ndir = "{tmp_path}"\n')
    settings = load_settings(settings_file)
    (tmp_path / "site.json").write_text("x" * (4 * MOST_BYTES))

    write_bundle(tmp_path / "s.tar.gz", settings_file, settings, ["y" * 4 * MOST_BYTES], Redactor())

    with tarfile.open(tmp_path / "s.tar.gz") as archive:
        assert max(entry.size for entry in archive.getmembers()) == MOST_BYTES
