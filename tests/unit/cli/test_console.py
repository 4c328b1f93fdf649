"""``camera-console`` where something is missing, or may not be read: a line, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.console import main
from gateway.cli.output import WRONG

SETTINGS = """
[broker]
host = "127.0.0.1"
[broker.tls]
ca_file = "{folder}/ca/root.pem"
cert_file = "{folder}/console.pem"
key_file = "{folder}/console.key"
[enrolment]
folder = "{folder}"
names = ["10.1.2.3"]
[enrolment.broker]
host = "10.1.2.3"
"""

AS_NOBODY = """
import importlib, os, sys
from gateway.cli.console import COMMANDS, main
for each in COMMANDS.values():
    importlib.import_module(each)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
main(sys.argv[1:])
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    """Anybody may read them; the folder that they name is its owner's alone."""
    for each in (tmp_path, *tmp_path.parents):
        if each.owner() == Path.home().owner() and each.stat().st_mode & 0o5 != 0o5:
            each.chmod(each.stat().st_mode | 0o5)
    folder = tmp_path / "state"
    folder.mkdir()
    path = tmp_path / "console.toml"
    path.write_text(SETTINGS.format(folder=folder))
    yield path
    folder.chmod(0o700)


def make(settings: Path, *words: str) -> None:
    done = CliRunner().invoke(main, ["centre", *words, "--settings", str(settings)])
    assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("isolated_logging")
def test_a_certificate_for_the_broker_that_is_missing_is_a_fault(settings: Path) -> None:
    """The service would start, and never reach the broker."""
    make(settings, "ca", "init")

    done = CliRunner().invoke(main, ["check", "--settings", str(settings)])

    assert done.exit_code == WRONG
    assert "/broker/tls: certificate files cannot be used: No such file" in done.stderr


@pytest.mark.usefixtures("isolated_logging")
def test_what_the_commands_have_made_is_right(settings: Path) -> None:
    """As docs/console.md has an administrator type them."""
    make(settings, "ca", "init")
    make(settings, "issue", "console", "--out", str(settings.parent / "state"))

    done = CliRunner().invoke(main, ["check", "--settings", str(settings)])

    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("OK: http://127.0.0.1:8090/, broker 127.0.0.1\n")


@pytest.mark.usefixtures("isolated_logging")
def test_advice_names_the_command_by_this_program(tmp_path: Path) -> None:
    """`camera-gateway` is not installed at a centre, though the command is the same there."""
    key, site = tmp_path / "cfg-2026a.key", tmp_path / "site.json"
    key.touch(mode=0o600)
    words = ["--key", str(key), "--gateway", "hcm-q1-01", "--version", "1"]

    done = CliRunner().invoke(
        main, ["config", "sign", str(site), *words], prog_name="camera-console"
    )

    assert done.exit_code == WRONG
    assert "tạo khóa bằng: camera-console keys make cfg-2026a" in done.stderr


@pytest.mark.parametrize(
    "words", ["check", "run", "centre sites", "centre ca init", "centre ca request"]
)
@pytest.mark.usefixtures("isolated_logging")
def test_who_may_not_read_the_state_is_told_so(settings: Path, words: str) -> None:
    """Whoever has forgotten sudo."""
    make(settings, "ca", "init")
    make(settings, "issue", "console", "--out", str(settings.parent / "state"))
    (settings.parent / "state").chmod(0)

    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words.split(), "--settings", str(settings)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode in {1, 2}
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
