"""What the commands say to somebody who may not read the gateway's files: never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SETTINGS = """
[gateway]
id = "gateway-1"
province = "24"
[broker]
host = "127.0.0.1"
port = 1883
tls = {{ ca = "{closed}/ca.pem", cert = "{closed}/g.pem", key = "{closed}/g.key" }}
username = "g1"
password = "secret:broker"
[state]
dir = "{closed}"
secrets = "{closed}/secrets"
[remote]
keys = "{closed}/trusted"
[cameras]
networks = ["192.168.1.0/24"]
"""

AS_NOBODY = """
import os, pkgutil, sys
import gateway.app, gateway.cli, gateway.config, gateway.runtime
for package in (gateway.cli, gateway.config, gateway.app, gateway.runtime):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not each.name.endswith("__main__"):
            __import__(each.name)
from gateway.cli.main import main
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.argv = ["camera-gateway", *sys.argv[1:]]
main()
"""


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that only root may enter; beside it the settings, which anybody may read."""
    for each in (tmp_path, *tmp_path.parents):
        if each.owner() == Path.home().owner() and each.stat().st_mode & 0o5 != 0o5:
            each.chmod(each.stat().st_mode | 0o5)
    folder = tmp_path / "closed"
    folder.mkdir()
    for name in ("site.json", "ca.pem", "audit.db", "password"):
        (folder / name).write_text("x")
    (tmp_path / "gateway.toml").write_text(SETTINGS.format(closed=folder))
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


COMMANDS = {
    "check": "check {open}/gateway.toml",
    "check of both files": "check {open}/gateway.toml {closed}/site.json",
    "check of closed settings": "check {closed}/gateway.toml",
    "run": "run --settings {open}/gateway.toml",
    "run with closed settings": "run --settings {closed}/gateway.toml",
    "probe": "probe rtsp://127.0.0.1/ --username u --password-file {closed}/password",
    "audit verify": "audit verify {closed}/audit.db",
    "audit export": "audit export {closed}/audit.db",
    "keys list": "keys list {closed}/trusted",
    "keys make": "keys make cfg-1 --folder {closed}/keys",
    "config sign": "config sign {closed}/a.json --key {closed}/k.key --gateway gate-1 --version 1",
    "config verify": "config verify {closed}/site.json --keys {closed}/trusted",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_who_may_not_read_the_files_is_told_so(name: str, closed: Path) -> None:
    """In one or more lines, with the exit code of wrong input."""
    arguments = COMMANDS[name].format(closed=closed, open=closed.parent).split()

    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *arguments], capture_output=True, text=True, check=False
    )

    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert done.returncode in (1, 2), said
    assert str(closed) in said
