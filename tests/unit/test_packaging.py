"""What installs, locks and runs the gateway: scripts, locks, the unit, the image."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import fastpath
from gateway.centre.enrolment.settings import DEFAULT_SETTINGS
from gateway.cli.console import main as console
from gateway.cli.output import NOT_RUNNING
from gateway.demo.config_files import free_port
from gateway.model.version import VERSION
from gateway.updates.__main__ import ORDERS, REFUSED
from gateway.updates.order import REQUEST
from gateway.updates.state import PROGRAM, TRYING, UpdateFolders
from tests.bench.relays.ours import environment_of

TOP = Path(__file__).parents[2]
UNIT = TOP / "systemd" / "camera-gateway.service"
REBOOT = TOP / "systemd" / "camera-gateway-reboot.path"
UPDATE = TOP / "systemd" / "camera-gateway-update.path"
CONSOLE = TOP / "systemd" / "camera-console.service"
COVERAGE = TOP / "systemd" / "centre-coverage.timer"
UPDATES = [UPDATE.with_suffix(".service"), UPDATE.with_name("camera-gateway-update-gate.service")]
UNITS = [
    UNIT,
    CONSOLE,
    TOP / "systemd" / "mosquitto-viewers.service",
    COVERAGE.with_suffix(".service"),
    REBOOT.with_suffix(".service"),
    *UPDATES,
]
LOCKS = sorted((TOP / "requirements").glob("*.txt"))
SCRIPTS = [
    *sorted(each for each in (TOP / "scripts").iterdir() if each.is_file()),
    TOP / ".ci" / "run",
]

HIGHEST_EXPOSURE = {
    CONSOLE: 1.1,
    REBOOT.with_suffix(".service"): 1.5,
    UPDATES[0]: 1.5,
    UPDATES[1]: 1.5,
}
USUAL_EXPOSURE = 1.4
"""Of 10; what the service as it is shipped scores (docs/threats.md)."""


def pins(lock: Path) -> list[str]:
    """The requirements of *lock*, each with its hashes."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and line.lstrip()[0] != "#"]


def test_no_private_key_is_in_the_repository() -> None:
    """Whatever made it: MediaMTX, for one, writes its own where it is started."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, stdout=subprocess.PIPE, check=True)
    tracked = [TOP / name for name in listed.stdout.decode().split("\0") if name]
    keys = [
        each.name
        for each in tracked
        if each.is_file() and re.search(rb"^-----BEGIN [A-Z ]*PRIVATE KEY", each.read_bytes(), re.M)
    ]

    assert len(tracked) > 100
    assert keys == []


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


def test_what_checks_the_page_is_exact_has_a_hash_and_no_registry() -> None:
    """As the Python locks: npm writes no address, and verifies what it gets."""
    lock = json.loads((TOP / "tests" / "js" / "package-lock.json").read_text(encoding="utf-8"))
    packages = [each for name, each in lock["packages"].items() if name]

    assert packages
    for package in packages:
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


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
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["office"], *extras["test"]]

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


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_the_unit_exposes_next_to_nothing(unit: Path) -> None:
    """Judged by systemd itself."""
    judged = analyze("security", "--offline=yes", "--no-pager", unit)

    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert exposure, judged.stderr
    assert float(exposure[1]) <= HIGHEST_EXPOSURE.get(unit, USUAL_EXPOSURE)


@pytest.mark.parametrize(
    "shipped", [*UNITS, REBOOT, UPDATE, COVERAGE], ids=lambda unit: str(unit.name)
)
def test_the_unit_is_understood(shipped: Path, tmp_path: Path) -> None:
    """No key that systemd does not know, no path that is not there once it is installed."""
    text = shipped.read_text(encoding="utf-8")
    command = tmp_path / "command"
    command.touch(mode=0o755)
    unit = tmp_path / shipped.name
    unit.write_text(re.sub(r"^(Exec\w+=)\S+", rf"\g<1>{command}", text, flags=re.MULTILINE))

    judged = analyze("verify", "--man=no", unit)

    about_us = [line for line in judged.stderr.splitlines() if shipped.name in line]
    assert about_us == []


def test_the_unit_starts_what_is_installed() -> None:
    """Command and options exist."""
    line = re.search(r"^ExecStart=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)

    assert line
    assert line[1].endswith("/camera-gateway run --settings /etc/camera-gateway/gateway.toml")


def test_the_unit_of_the_console_starts_what_is_installed() -> None:
    """Command and options exist, with the settings that are the command's own default."""
    line = re.search(r"^ExecStart=(.*)$", CONSOLE.read_text(encoding="utf-8"), re.MULTILINE)
    said = CliRunner().invoke(console, ["run", "--help"])

    assert line
    assert line[1] == f"/opt/camera-console/bin/camera-console run --settings {DEFAULT_SETTINGS}"
    assert "--settings" in said.output


def test_the_timer_of_coverage_starts_a_command_that_exists(tmp_path: Path) -> None:
    """Its options are taken as they stand, and the broker that they name is looked for."""
    text = COVERAGE.with_suffix(".service").read_text(encoding="utf-8")
    line = re.search(r"^ExecStart=\S+/camera-console (.*) \$BROKER$", text, re.MULTILINE)
    assert line
    words = line[1].replace("/var/lib/centre-coverage", str(tmp_path)).split()
    words += ["--broker", f"127.0.0.1:{free_port()}"]

    said = CliRunner().invoke(console, words)

    assert said.exit_code == NOT_RUNNING
    assert "refuses connections" in said.output or "does not answer" in said.output


def test_the_gateway_asks_for_a_reboot_where_it_is_looked_for() -> None:
    """Below its own runtime folder; the settings' example names the same file as the unit."""
    watched = re.search(r"^PathExists=(.*)$", REBOOT.read_text(encoding="utf-8"), re.MULTILINE)
    example = (TOP / "config" / "gateway.example.toml").read_text(encoding="utf-8")

    assert watched
    assert watched[1] == "/run/camera-gateway/reboot"
    assert f'["touch", "{watched[1]}"]' in example
    assert "\nRuntimeDirectory=camera-gateway\n" in UNIT.read_text(encoding="utf-8")


def test_the_gateway_asks_for_a_release_where_it_is_looked_for() -> None:
    """And what undoes one is where the units look for it, under the name that they wait for."""
    texts = [path.read_text(encoding="utf-8") for path in (UPDATE, *UPDATES, UNIT)]
    program, record = UpdateFolders().state / PROGRAM, UpdateFolders().state / TRYING

    assert f"\nPathExists={ORDERS / REQUEST}\n" in texts[0]
    assert texts[1].count(f"{ORDERS / REQUEST}") == 2
    assert f"[ ! -e {record} ]" in texts[1]
    assert f"\nConditionPathExists={record}\n" in texts[2]
    assert f" {program} watch\n" in texts[2]
    assert f"[ ! -e {record} ] || exec /usr/bin/python3 -I -S {program} start" in texts[3]


@pytest.mark.parametrize(
    ("code", "status", "left"),
    [
        ("exited", "0", True),
        ("exited", str(REFUSED), True),
        ("exited", "1", False),
        ("killed", "KILL", False),
    ],
)
def test_an_order_that_comes_while_the_installer_ends_is_kept(
    code: str, status: str, left: bool, tmp_path: Path
) -> None:
    """One that was taken is gone already; what is there then is the next, and is not lost."""
    request = tmp_path / REQUEST
    request.touch()
    (line,) = re.findall(rf"^ExecStopPost=-(.*{REQUEST}.*)$", UPDATES[0].read_text(), re.MULTILINE)
    told = {"EXIT_CODE": code, "EXIT_STATUS": status}

    words = shlex.split(line.replace("$$", "$").replace(str(ORDERS / REQUEST), str(request)))
    subprocess.run(words, check=True, env=os.environ | told, timeout=60)

    assert request.exists() == left


def test_a_folder_in_the_place_of_a_request_goes(tmp_path: Path) -> None:
    """It would start the installer again and again."""
    request = tmp_path / REQUEST
    (request / "inner").mkdir(parents=True)
    (line,) = re.findall(rf"^ExecStopPost=-(.*{REQUEST}.*)$", UPDATES[0].read_text(), re.MULTILINE)

    words = shlex.split(line.replace("$$", "$").replace(str(ORDERS / REQUEST), str(request)))
    told = {"EXIT_CODE": "exited", "EXIT_STATUS": "1"}
    subprocess.run(words, check=True, env=os.environ | told, timeout=60)

    assert not request.exists()


@pytest.mark.parametrize("watching", [UPDATE, UPDATE.with_name("camera-gateway-reboot.path")])
def test_who_keeps_asking_does_not_end_the_watch(watching: Path) -> None:
    """systemd.path(5): at its limit a unit looks no more until it is started again."""
    path, service = watching.read_text(), watching.with_suffix(".service").read_text()
    (interval,) = re.findall(r"^TriggerLimitIntervalSec=(\d+)$", path, re.MULTILINE)
    (burst,) = re.findall(r"^TriggerLimitBurst=(\d+)$", path, re.MULTILINE)
    (pause,) = re.findall(r"^ExecStopPost=.*\bsleep (\d+)'?$", service, re.MULTILINE)

    assert int(pause) * int(burst) > int(interval)


def test_unit_image_and_benchmark_run_the_same() -> None:
    """Without columns in tracebacks, and without plugins of pydantic."""
    image = (TOP / "Dockerfile.arm64").read_text()

    environment = environment_of(UNIT)

    assert environment == {"PYTHONNODEBUGRANGES": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
    assert all(f"{name}={value}" in image for name, value in environment.items())


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
    assert (
        "wheelhous[e]" in copied
    )  # a pattern, since that folder is there for a closed network only
    copied.remove("wheelhous[e]")
    for source in copied:
        assert (TOP / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_the_image_does_not_run_as_root() -> None:
    """The last user is ours, and the wheels come by hash."""
    image = (TOP / "Dockerfile.arm64").read_text(encoding="utf-8")

    assert re.findall(r"^USER (\S+)", image, re.MULTILINE)[-1] == "camera-gateway"
    assert image.count("pip install --no-cache-dir --require-hashes") == 2
    assert image.count("pip install") == 3  # the third is ours, offline


def test_image_and_compose_file_name_one_user_one_folder_and_a_module() -> None:
    """What `scripts/docker-test` runs for real, which takes too long to do each time."""
    image = (TOP / "Dockerfile.arm64").read_text(encoding="utf-8")
    compose = (TOP / "config" / "docker" / "compose.yaml").read_text(encoding="utf-8")
    health = re.search(
        r'^HEALTHCHECK [^\n]*\\\n  CMD \["python", "-m", "(\S+)"\]', image, re.MULTILINE
    )

    assert health
    assert (TOP / health[1].replace(".", "/")).with_suffix(".py").exists()
    assert "useradd --system --uid 10001 --gid 10001" in image
    assert 'user: "10001:10001"' in compose
    assert "RUNTIME_DIRECTORY=/run/camera-gateway" in image
    assert "- /run/camera-gateway:" in compose
    for wanted in ("read_only: true", "restart: always", "network_mode: host", "cap_drop: [ALL]"):
        assert f"\n    {wanted}\n" in compose


def test_the_image_has_the_fast_path_and_not_its_compiler() -> None:
    """The compiler stays in the first stage, Cython goes, and it is an error not to be built."""
    build, runs = (TOP / "Dockerfile.arm64").read_text(encoding="utf-8").split("\nFROM ")[1:]

    assert " gcc libc6-dev" in build
    assert "pip uninstall --yes cython setuptools pip" in build
    assert "assert COMPILED" in build
    assert "apt-get" not in runs


def test_the_fast_path_is_compiled_here() -> None:
    """Without it the tests of the fast path would test its fallback: run scripts/install test."""
    assert fastpath.COMPILED, "gateway/fastpath is not compiled: run scripts/install test"


WITHOUT_FAST_PATH = """
import gateway.app.compose
from gateway import fastpath
from gateway.cli.main import main

assert fastpath.Forwarder.__module__ == "gateway.fastpath.fallback"
assert fastpath.RtpDestination.__module__ == "gateway.fastpath.fallback"
fastpath.RtpDestination(payload_type=96, ssrc=1, offset_90k=0, seq=0)
main(["--version"])
"""


def copied_without_fast_path(to: Path) -> None:
    left_out = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(TOP / "gateway", to / "gateway", ignore=left_out)


def test_a_gateway_without_the_fast_path_runs_and_says_so(tmp_path: Path) -> None:
    """As where no compiler could be had."""
    copied_without_fast_path(tmp_path)
    command = [sys.executable, "-c", WITHOUT_FAST_PATH]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "fast path: not compiled (fallback)"


def test_what_builds_is_what_is_locked() -> None:
    """pyproject.toml and requirements/build.in name the same; else the offline build fails."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))

    assert pins(TOP / "requirements" / "build.in") == project["build-system"]["requires"]


def test_a_wheel_has_the_fast_path_and_not_its_source(tmp_path: Path) -> None:
    """Offline, by the locked setuptools and Cython; this is what the image installs.

    Its version is the constant that the program tells.
    """
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(TOP / name, tmp_path)
    copied_without_fast_path(tmp_path)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]

    subprocess.run([*pip, "."], cwd=tmp_path, check=True, capture_output=True)

    (wheel,) = tmp_path.glob(f"camera_gateway-{VERSION}-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        inside = {name for name in opened.namelist() if name.startswith("gateway/fastpath/")}
    compiled = {name for name in inside if name.endswith(".so")}
    assert len(compiled) == 1
    assert inside == compiled | {
        f"gateway/fastpath/{name}" for name in ("__init__.py", "_fastpath.pyi", "fallback.py")
    }
