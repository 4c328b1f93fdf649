"""The Debian package: built, looked into, installed, upgraded and removed, in a root to throw away.

What is installed there are two small packages with the scripts of the real one, since those are
what can go wrong; the real one is taken apart, and run where it is to lie.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from gateway.cli.main import main as program
from gateway.model.version import VERSION
from tests.fixtures.debian_packages import (
    IN_A_ROOT,
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

PREFIX = "opt/camera-gateway/releases"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree, unpacked."""
    return unpacked(tmp_path_factory)


@pytest.fixture(scope="session")
def release(package: Path) -> Path:
    (only,) = (package / PREFIX).iterdir()
    return only


def test_it_says_what_it_is(package: Path, release: Path) -> None:
    """Folder, control file and release.json name the same release and commit."""
    said = json.loads((release / "release.json").read_text())
    control = (package / "DEBIAN" / "control").read_text()

    assert re.fullmatch(re.escape(VERSION) + r"\+g[0-9a-f]{9}(\.dirty)?", said["version"])
    assert release.name == said["version"]
    assert f"\nVersion: {said['version']}\nArchitecture: {said['arch']}\n" in control
    assert (said["name"], said["python"]) == ("camera-gateway", "3.11")
    assert json.loads((release / "sbom.cdx.json").read_text())["bomFormat"] == "CycloneDX"


def test_nothing_that_builds_or_installs_is_in_it(release: Path) -> None:
    """No pip, setuptools, Cython; no other command than ours; no C of ours."""
    site = release / "lib" / "python3.11" / "site-packages"
    there = {each.name.lower().split("-")[0] for each in site.iterdir()}

    assert "gateway" in there
    assert there.isdisjoint({"pip", "setuptools", "cython", "wheel", "_distutils_hack", "tests"})
    assert {each.name for each in (release / "bin").iterdir()} == {
        "camera-gateway",
        "python",
        "python3",
        "python3.11",
    }
    assert [*site.glob("gateway/**/*.c"), *site.glob("gateway/**/*.pyx")] == []


def test_every_module_is_compiled(release: Path) -> None:
    """No box writes any: its disk may be read-only, and the service may not."""
    site = release / "lib" / "python3.11" / "site-packages"

    assert not_compiled(site) == []


def test_nobody_but_root_may_change_it(package: Path) -> None:
    """No file that group or others may write, none that they may not read."""
    assert modes_too_wide_or_narrow(package) == []


def test_it_brings_the_units_of_the_repository(package: Path) -> None:
    """All of the gateway's, as they are."""
    units = package / "usr" / "lib" / "systemd" / "system"
    ours = {each.name: each.read_text() for each in (TOP / "systemd").glob("camera-gateway*")}

    assert {each.name: each.read_text() for each in units.iterdir()} == ours


def test_lintian_finds_no_error(package: Path, release: Path, tmp_path: Path) -> None:
    """In all that is ours; scripts/package has the libraries of others looked at as well."""
    check_by_lintian(package, release / "lib" / "python3.11" / "site-packages", tmp_path)


def test_it_runs_where_it_is_to_lie(package: Path, release: Path) -> None:
    """With Debian's Python and nothing else, the fast path compiled."""
    top = package / "opt" / "camera-gateway"
    if not (top / "current").is_symlink():
        (top / "current").symlink_to(f"releases/{release.name}")
    command = "/opt/camera-gateway/current/bin/camera-gateway"

    said = run_at_its_place("/opt/camera-gateway", top, command, "--version")

    assert said == f"camera-gateway, version {release.name}\nfast path: compiled\n"


@pytest.fixture(scope="session")
def debs(package: Path, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages 1.0 and 2.0: the real scripts, units and settings, no libraries."""
    example = (TOP / "config" / "gateway.example.toml").read_text()
    files = [
        (
            version,
            {
                f"camera-gateway/releases/{version}/bin/camera-gateway": (
                    f"#!/bin/sh\necho {version}\n"
                ),
                f"camera-gateway/releases/{version}/config/gateway.example.toml": example,
            },
        )
        for version in ("1.0", "2.0")
    ]
    return small_packages(package, release.name, tmp_path_factory.mktemp("debs"), files)


@pytest.fixture
def in_a_root(debs: Path, tmp_path: Path) -> list[str | Path]:
    """A command that runs a shell script where `debs` lie in ``/`` and dpkg may do as it likes."""
    return in_a_root_with(debs, tmp_path)


LOOK = "readlink /opt/camera-gateway/current; ls /opt/camera-gateway/releases | xargs; "
NOW = LOOK + "camera-gateway; "


def test_installed_it_has_user_folders_and_settings(in_a_root: list[str | Path]) -> None:
    """What systemd hands to the service must be there, and be root's alone."""
    look = (
        "cd /etc/camera-gateway; stat -c '%a %U %n' . gateway.toml secrets trusted; "
        "id -un camera-gateway"
    )

    said = run(*in_a_root, INSTALL + NOW + look)

    assert said.splitlines() == [
        "releases/1.0",
        "1.0",
        "1.0",
        "755 root .",
        "644 root gateway.toml",
        "700 root secrets",
        "755 root trusted",
        "camera-gateway",
    ]


def test_an_upgrade_keeps_settings_and_the_former_release(in_a_root: list[str | Path]) -> None:
    """And a downgrade is one."""
    change = "echo mine >/etc/camera-gateway/gateway.toml; "
    back = "dpkg --force-downgrade --install /1.0.deb >&2; "

    said = run(
        *in_a_root,
        INSTALL
        + change
        + "dpkg --install /2.0.deb >&2; "
        + NOW
        + back
        + NOW
        + "cat /etc/camera-gateway/gateway.toml",
    )

    assert said.splitlines() == [
        "releases/2.0",
        "1.0 2.0",
        "2.0",
        "releases/1.0",
        "1.0 2.0",
        "1.0",
        "mine",
    ]


def test_of_three_releases_the_oldest_goes(in_a_root: list[str | Path]) -> None:
    """A card is small."""
    older = "mkdir -p /opt/camera-gateway/releases/0.9; "

    said = run(*in_a_root, INSTALL + older + "dpkg --install /2.0.deb >&2; " + NOW)

    assert said.splitlines()[1] == "1.0 2.0"


def test_what_is_on_trial_goes_on_running(in_a_root: list[str | Path]) -> None:
    """The updater alone decides what runs after its trial."""
    trial = (
        "cd /opt/camera-gateway; cp -a releases/1.0 releases/1.5; ln -sfn releases/1.5 current; "
        "mkdir -p /var/lib/camera-gateway-update; touch /var/lib/camera-gateway-update/trying; "
    )

    said = run(*in_a_root, INSTALL + trial + "dpkg --install /2.0.deb >&2; " + NOW)

    assert said.splitlines()[:2] == ["releases/1.5", "1.0 1.5 2.0"]


def test_what_came_during_a_trial_is_had_by_installing_it_again(
    in_a_root: list[str | Path],
) -> None:
    """It is newer than what runs."""
    trial = (
        "cd /opt/camera-gateway; cp -a releases/1.0 releases/1.5; ln -sfn releases/1.5 current; "
        "mkdir -p /var/lib/camera-gateway-update; touch /var/lib/camera-gateway-update/trying; "
    )
    again = "dpkg --install /2.0.deb >&2; "

    said = run(
        *in_a_root,
        INSTALL + trial + again + "rm /var/lib/camera-gateway-update/trying; " + again + NOW,
    )

    assert said.splitlines() == ["releases/2.0", "1.5 2.0", "2.0"]


def test_one_that_is_removed_is_not_on_trial_any_more(in_a_root: list[str | Path]) -> None:
    """Or what is installed after it would not be started."""
    trial = "mkdir -p /var/lib/camera-gateway-update; cd /var/lib/camera-gateway-update; "

    said = run(
        *in_a_root,
        INSTALL + trial + "touch trying report.json; dpkg --remove camera-gateway >&2; ls",
    )

    assert said.split() == ["report.json"]


def test_configured_again_it_does_not_undo_an_update(in_a_root: list[str | Path]) -> None:
    """What came over the network since runs on."""
    updated = (
        "cd /opt/camera-gateway; cp -a releases/1.0 releases/1.5; ln -sfn releases/1.5 current; "
    )

    said = run(*in_a_root, INSTALL + updated + "dpkg --install /1.0.deb >&2; " + NOW)

    assert said.splitlines()[:2] == ["releases/1.5", "1.0 1.5"]


def test_a_purge_keeps_passwords_and_state(in_a_root: list[str | Path]) -> None:
    """Unless somebody says otherwise."""
    look = "ls -d /etc/camera-gateway/* /var/lib/camera-gateway; ls /opt"

    left = purged(in_a_root, "camera-gateway", look)

    assert {"/etc/camera-gateway/secrets", "/var/lib/camera-gateway"} <= set(left)
    assert "camera-gateway" not in left


def test_a_purge_removes_all_of_it_if_told_so(in_a_root: list[str | Path]) -> None:
    """Answered beforehand, as whoever sets up many boxes does."""
    look = "ls -d /etc/camera-gateway /var/lib/camera-gateway /opt/camera-gateway || true"

    assert purged(in_a_root, "camera-gateway", look, before=remove_state_of("camera-gateway")) == []


def test_the_manual_names_every_command() -> None:
    """Made from the commands' own help, so that none is forgotten."""
    assert not_in_manual("camera-gateway", program) == []


@pytest.fixture(scope="session")
def bundle(debs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as it lies on a USB stick, signed by a key made for it."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    gpg: list[str | Path] = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", ""]
    run(*gpg, "--quick-generate-key", "release@example.vn", "ed25519", "sign", "never")
    trusted = tmp_path_factory.mktemp("trusted")
    (trusted / "cfg-2026a.pem").write_text("a public key\n")
    folder = tmp_path_factory.mktemp("bundle") / "camera-gateway"
    arch = run("dpkg", "--print-architecture").strip()
    deb = folder.parent / f"camera-gateway_2.0_{arch}.deb"
    shutil.copy(debs / "2.0.deb", deb)
    make = TOP / "scripts" / "packaging" / "bundle"
    run(make, "release@example.vn", trusted, folder, deb, GNUPGHOME=str(home))
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")
    return folder


@pytest.fixture
def stick(bundle: Path, tmp_path: Path) -> list[str | Path]:
    """A command that runs a shell script where the bundle is ``/stick`` and can be changed."""
    opened = IN_A_ROOT.replace('cp "$2"/*.deb "$1/root"', 'cp -r "$2" "$1/root/stick"')
    return in_a_root_with(bundle, tmp_path, opened)


def test_a_bundle_installs_after_its_key_was_compared(stick: list[str | Path]) -> None:
    """With the centre's keys; the signing key is remembered."""
    said = run(
        *stick,
        "cd /; echo y | stick/install.sh; camera-gateway; "
        "ls /etc/camera-gateway/trusted /etc/apt/keyrings/camera-gateway.gpg",
    )

    assert "Khóa ký · signed by: " in said
    assert said.split()[-4:] == [
        "2.0",
        "/etc/apt/keyrings/camera-gateway.gpg",
        "/etc/camera-gateway/trusted:",
        "cfg-2026a.pem",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("echo | tee -a /stick/camera-gateway_2.0_*.deb", "MÃ BĂM SAI"),
        ("echo >>/stick/SHA256SUMS", "CHỮ KÝ SAI"),
        ("touch /stick/trusted/other.pem", "không có trong danh sách"),
        ("touch '/stick/trusted/[a-z0-9-]+.pem'", "không có trong danh sách"),
        ("touch /stick/trusted/SHA256SUMS.pem", "không có trong danh sách"),
        ("ln -s /etc/hostname /stick/trusted/rel-2099.pem", "there is something that is no file"),
        ("cat /usr/share/keyrings/*.gpg >>/stick/camera-gateway.gpg", "MÃ BĂM SAI"),
        ("rm /stick/SHA256SUMS.gpg", "SHA256SUMS.gpg"),
    ],
)
def test_a_bundle_that_was_changed_installs_nothing(
    stick: list[str | Path], change: str, reason: str
) -> None:
    """A stick goes through many hands."""
    said = run(
        *stick,
        f"{change}; if echo y | /stick/install.sh 2>&1; then exit 9; fi; "
        "ls /opt/camera-gateway 2>&1 || true",
    )

    assert reason in said
    assert "No such file or directory" in said.splitlines()[-1]


def test_a_known_key_is_not_replaced_by_what_it_has_not_signed(stick: list[str | Path]) -> None:
    """Else whoever has had the stick signs the next one."""
    said = run(
        *stick,
        "known=/etc/apt/keyrings/camera-gateway.gpg; install -D /stick/camera-gateway.gpg $known; "
        "cat /usr/share/keyrings/debian-archive-keyring.gpg >/stick/camera-gateway.gpg.new; "
        "sha256sum <$known; "
        "mv /stick/camera-gateway.gpg.new /stick/camera-gateway.gpg; "
        "/stick/install.sh 2>&1 || true; sha256sum <$known",
    )

    assert said.splitlines()[0] == said.splitlines()[-1]
    assert "MÃ BĂM SAI" in said


def test_a_bundle_of_another_key_is_refused(stick: list[str | Path]) -> None:
    """Than the one whose fingerprint came another way."""
    said = run(*stick, "if /stick/install.sh --fingerprint 00:11 2>&1; then exit 9; fi")

    assert "khóa khác · another key" in said


def test_a_bundle_is_a_repository_of_apt(stick: list[str | Path]) -> None:
    """As a province's web server offers it; apt verifies the signature."""
    source = (
        "echo 'deb [signed-by=/stick/camera-gateway.gpg] file:/stick ./' >/one.list; "
        "one='-o Dir::Etc::SourceList=/one.list -o Dir::Etc::SourceParts=/dev/null'; "
        "apt-get -q $one -o APT::Sandbox::User=root update >&2; "
    )

    said = run(*stick, source + "apt-cache $one policy camera-gateway")

    assert "Candidate: 2.0" in said
