"""The Debian package of the centre, as `test_debian_package` looks at a gateway's.

The first test of each worker waits until it is built, some 20 s.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.cli.console import main as program
from gateway.model.version import VERSION
from tests.fixtures.debian_packages import (
    INSTALL,
    TOP,
    check_by_lintian,
    in_a_root_with,
    modes_too_wide_or_narrow,
    not_compiled,
    not_in_manual,
    purged,
    remove_state_of,
    run,
    run_at_its_place,
    small_packages,
    unpacked,
)

EXAMPLE = TOP / "config" / "console.example.toml"

HOME = "/opt/camera-console"

EVERY_COMMAND = """
import click
import docx, openpyxl
from gateway.cli.console import main

def below(command, context):
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from below(command.get_command(context, name), context)

print(sum(1 for _ in below(main, click.Context(main))))
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree, unpacked."""
    return unpacked(tmp_path_factory, "console")


@pytest.fixture(scope="session")
def home(package: Path) -> Path:
    return package / "opt" / "camera-console"


@pytest.fixture(scope="session")
def version(home: Path) -> str:
    return str(json.loads((home / "release.json").read_text())["version"])


def test_it_says_what_it_is(package: Path, home: Path, version: str) -> None:
    """Control file, release.json and the list of parts name the same program and commit."""
    control = (package / "DEBIAN" / "control").read_text()
    parts = json.loads((home / "sbom.cdx.json").read_text())

    assert re.fullmatch(re.escape(VERSION) + r"\+g[0-9a-f]{9}(\.dirty)?", version)
    assert control.startswith(f"Package: camera-console\nVersion: {version}\n")
    assert parts["metadata"]["component"]["name"] == "camera-console"


def test_nothing_that_reads_video_or_compiles_is_in_it(home: Path) -> None:
    """Media does not pass through a console, so what could be wrong in a decoder is not there."""
    site = home / "lib" / "python3.11" / "site-packages"
    there = {each.name.lower().split("-")[0] for each in site.iterdir()}

    assert {"gateway", "aiohttp", "sqlalchemy"} <= there
    assert there.isdisjoint({"av", "av.libs", "cv2", "aiortc", "numpy", "pylibsrtp", "pip"})
    assert [*site.glob("gateway/**/*.so"), *site.glob("gateway/**/*.c")] == []


def test_every_module_is_compiled(home: Path) -> None:
    """The service may write none."""
    assert not_compiled(home / "lib" / "python3.11" / "site-packages") == []


def test_nobody_but_root_may_change_it(package: Path) -> None:
    """And everybody may read it."""
    assert modes_too_wide_or_narrow(package) == []


def test_it_brings_the_units_of_the_repository(package: Path) -> None:
    """The console's and the centre's, as they are."""
    units = package / "usr" / "lib" / "systemd" / "system"
    ours = [*(TOP / "systemd").glob("camera-console*"), *(TOP / "systemd").glob("centre-*")]

    assert len(ours) == 3
    assert {each.name: each.read_text() for each in units.iterdir()} == {
        each.name: each.read_text() for each in ours
    }


def test_lintian_finds_no_error(package: Path, home: Path, tmp_path: Path) -> None:
    """In all that is ours; scripts/package has the libraries of others looked at as well."""
    check_by_lintian(package, home / "lib" / "python3.11" / "site-packages", tmp_path)


def test_every_command_finds_its_libraries_where_it_is_to_lie(home: Path) -> None:
    """With Debian's Python and nothing else; what a gateway alone needs is missed by none."""
    said = run_at_its_place(HOME, home, f"{HOME}/bin/python", "-I", "-c", EVERY_COMMAND)

    assert int(said) > 30


def test_it_tells_its_version_where_it_is_to_lie(home: Path, version: str) -> None:
    """By the command that the package links to."""
    said = run_at_its_place(HOME, home, f"{HOME}/bin/camera-console", "--version")

    assert said == f"camera-console, version {version}\n"


@pytest.fixture(scope="session")
def debs(package: Path, version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages 1.0 and 2.0: the real scripts, units and settings, no libraries."""
    files = [
        (
            each,
            {
                "camera-console/bin/camera-console": f"#!/bin/sh\necho {each}\n",
                "camera-console/config/console.example.toml": EXAMPLE.read_text(),
            },
        )
        for each in ("1.0", "2.0")
    ]
    return small_packages(package, version, tmp_path_factory.mktemp("console-debs"), files)


@pytest.fixture
def in_a_root(debs: Path, tmp_path: Path) -> list[str | Path]:
    """A command that runs a shell script where `debs` lie in ``/`` and dpkg may do as it likes."""
    return in_a_root_with(debs, tmp_path)


def test_installed_it_has_users_folders_and_settings(in_a_root: list[str | Path]) -> None:
    """Keys are root's alone, the state is the service's; nothing is enabled before it is set up."""
    look = (
        "cd /etc/camera-console; stat -c '%a %U %n' . console.toml secrets trusted; "
        "stat -c '%a %U %n' /var/lib/camera-console; id -un centre-coverage; camera-console; "
        "systemctl is-enabled camera-console || true"
    )

    said = run(*in_a_root, INSTALL + look)

    assert said.splitlines()[-8:] == [
        "755 root .",
        "644 root console.toml",
        "700 root secrets",
        "755 root trusted",
        "700 camera-console /var/lib/camera-console",
        "centre-coverage",
        "1.0",
        "disabled",
    ]


def test_installed_it_says_what_to_do_next(in_a_root: list[str | Path]) -> None:
    """While the settings are the example."""
    assert "sudo camera-console check && sudo systemctl" in run(
        *in_a_root, INSTALL.replace(">&2", "")
    )


def test_an_upgrade_keeps_settings_and_what_is_enabled(in_a_root: list[str | Path]) -> None:
    """And there is one version."""
    change = "echo mine >/etc/camera-console/console.toml; systemctl enable camera-console >&2; "
    look = (
        "cat /etc/camera-console/console.toml; camera-console; systemctl is-enabled camera-console"
    )

    said = run(*in_a_root, INSTALL + change + "dpkg --install /2.0.deb >&2; " + look)

    assert said.split() == ["mine", "2.0", "enabled"]


def test_a_purge_keeps_keys_and_sites(in_a_root: list[str | Path]) -> None:
    """Unless somebody says otherwise."""
    look = "ls -d /etc/camera-console/* /var/lib/camera-console; ls /opt"

    left = purged(in_a_root, "camera-console", look)

    assert {"/etc/camera-console/secrets", "/var/lib/camera-console"} <= set(left)
    assert "camera-console" not in left


def test_a_purge_removes_all_of_it_if_told_so(in_a_root: list[str | Path]) -> None:
    """Folders, users, and the link by which it was enabled."""
    enable = "systemctl enable camera-console centre-coverage.timer >&2; "
    look = (
        "find /etc /opt /usr /var/lib -name '*camera-console*' -o -name '*centre-coverage*'; "
        "getent passwd camera-console centre-coverage || true"
    )

    before = remove_state_of("camera-console") + enable
    assert purged(in_a_root, "camera-console", look, before=before) == []


def test_the_manual_names_every_command() -> None:
    """Made from the commands' own help, so that none is forgotten."""
    assert not_in_manual("camera-console", program) == []
