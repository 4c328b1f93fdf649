"""What installs, locks and runs the gateway: scripts, locks, the unit, the image."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
UNIT = TOP / "systemd" / "camera-gateway.service"
LOCKS = sorted((TOP / "requirements").glob("*.txt"))
SCRIPTS = [
    *sorted(each for each in (TOP / "scripts").iterdir() if each.is_file()),
    TOP / ".ci" / "run",
]

HIGHEST_EXPOSURE = 1.5
"""Of 10; the service as the threat model wants it scores 1.3."""


def pins(lock: Path) -> list[str]:
    """The requirements of *lock*, each with its hashes."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and line.lstrip()[0] != "#"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_every_requirement_is_exact_and_has_a_hash(lock: Path) -> None:
    """What is installed tomorrow is what was tested today."""
    for pin in pins(lock):
        assert re.match(r"^[a-z0-9._-]+==[^ ]+ ", pin), pin
        assert "--hash=sha256:" in pin, pin


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_no_lock_names_a_registry(lock: Path) -> None:
    """Closed networks have their own mirror."""
    assert "://" not in lock.read_text(encoding="utf-8")


def test_the_tests_run_on_what_runs() -> None:
    """Every version of the run lock stands in the test lock as well."""
    run, test = (
        {pin.split(" --hash")[0].strip() for pin in pins(TOP / "requirements" / name)}
        for name in ("run.txt", "test.txt")
    )

    assert run <= test


def test_the_lock_follows_the_project() -> None:
    """A dependency that is named is locked."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = {pin.split("==")[0] for pin in pins(TOP / "requirements" / "test.txt")}
    named = [*project["dependencies"], *project["optional-dependencies"]["test"]]

    assert {re.split(r"[<>=~\[]", each)[0] for each in named} <= locked


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.name))
def test_scripts_can_be_run(script: Path) -> None:
    """Executable, and where bash reads them, without a mistake in their grammar."""
    assert os.access(script, os.X_OK)
    if script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash"):
        assert "set -euo pipefail" in script.read_text(encoding="utf-8")
        subprocess.run(["bash", "-n", script], check=True)


def test_the_build_server_calls_the_test_script() -> None:
    """Nothing passes there that does not pass here."""
    assert "exec scripts/test" in (TOP / ".ci" / "run").read_text(encoding="utf-8")


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *words]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def test_the_unit_exposes_next_to_nothing() -> None:
    """Judged by systemd itself."""
    judged = analyze("security", "--offline=yes", "--no-pager", UNIT)

    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert exposure, judged.stderr
    assert float(exposure[1]) <= HIGHEST_EXPOSURE


def test_the_unit_is_understood(tmp_path: Path) -> None:
    """No key that systemd does not know, no path that is not there once it is installed."""
    text = UNIT.read_text(encoding="utf-8")
    command = tmp_path / "camera-gateway"
    command.touch(mode=0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^(Exec\w+=)\S+", rf"\g<1>{command}", text, flags=re.MULTILINE))

    judged = analyze("verify", "--man=no", unit)

    about_us = [line for line in judged.stderr.splitlines() if UNIT.name in line]
    assert about_us == []


def test_the_unit_starts_what_is_installed() -> None:
    """Command and options exist."""
    line = re.search(r"^ExecStart=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)

    assert line
    assert line[1].endswith("/camera-gateway run --settings /etc/camera-gateway/gateway.toml")


def test_the_image_finds_what_it_copies() -> None:
    """Each source of a COPY exists and is not kept out by .dockerignore."""
    image = (TOP / "Dockerfile.arm64").read_text(encoding="utf-8")
    allowed = set(re.findall(r"^!(\S+)$", (TOP / ".dockerignore").read_text(), re.MULTILINE))
    copied = [
        source
        for words in re.findall(r"^COPY (?!--from)(.+)$", image, re.MULTILINE)
        for source in words.split()[:-1]
    ]

    assert copied
    for source in copied:
        assert (TOP / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_the_image_does_not_run_as_root() -> None:
    """The last user is ours, and the wheels come by hash."""
    image = (TOP / "Dockerfile.arm64").read_text(encoding="utf-8")

    assert re.findall(r"^USER (\S+)", image, re.MULTILINE)[-1] == "camera-gateway"
    assert image.count("--require-hashes") == 1
